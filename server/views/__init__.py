"""Answers, and what the log says about them."""
