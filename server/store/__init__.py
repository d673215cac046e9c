"""The package directory: what is in it, and every change of it."""
