"""People: accounts, real-name proofs and levels, sign-in, second factors, officers."""
