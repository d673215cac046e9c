"""Access to a deployed server: new passwords, and tokens."""
