"""Alembic migrations, one file a package in the order of the packages' layers."""
