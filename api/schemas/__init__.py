"""Shapes of requests and answers; they become frozen dataclasses of the packages at once."""
