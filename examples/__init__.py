"""Examples: how others connect to Hufu."""
