"""The OpenID Provider: clients, grants, tokens and the endpoints' rules, without HTTP."""
