"""Electronic licences: catalogue, issuing, versions, states, access."""
