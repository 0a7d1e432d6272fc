"""Token status lists: two bits for each licence, in lists small enough to carry."""
