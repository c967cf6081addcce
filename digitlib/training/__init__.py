"""A configuration and data in, weights with their card out."""
