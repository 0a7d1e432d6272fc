"""Seals and their application to PDF documents."""
