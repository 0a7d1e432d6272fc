"""Seals (电子印章), their life and their use: PAdES sealing of PDF documents."""
