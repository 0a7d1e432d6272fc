"""Facts every package rests on: settings, database, clock, errors, audit, encryption."""
