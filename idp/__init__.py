"""Who somebody is: accounts, real-name proofs, sessions, OAuth and OpenID Connect."""
