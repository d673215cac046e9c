"""What is answered, and what the log has of it."""
