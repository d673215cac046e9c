"""Separate templates, next to the server's stack."""
