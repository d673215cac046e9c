"""A package index over a directory that several tasks share."""
