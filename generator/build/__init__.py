"""Writes and validates `templates/` and the derived parts of the documents."""
