"""Wiring of the packages and the command line."""
