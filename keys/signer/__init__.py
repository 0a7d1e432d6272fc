"""What only the holder of seal, CA, TSA and OCSP keys does, in this process or in one of its own."""
