"""Wheels, source distributions, their names and metadata."""
