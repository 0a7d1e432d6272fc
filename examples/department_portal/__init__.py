"""A department's own system, as a department would write it: Hufu for sign-in, licences, verification."""
