"""Keys, certificates, timestamps: the only package that touches a private key."""
