"""The package directory: what is in it, and every change to it."""
