"""JSON and protocol routes: parse, call, serialise."""
