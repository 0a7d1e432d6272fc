"""Credentials presented from a person's wallet: OpenID4VP 1.0 with SD-JWT VC."""
