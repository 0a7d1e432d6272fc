"""A wallet to try the presentation of credentials with, and the neighbouring city that filled it."""
