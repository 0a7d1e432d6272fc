"""Where private keys live: in software under a KEK, or in a PKCS #11 token."""
