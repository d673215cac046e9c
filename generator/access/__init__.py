"""Who may do what with a deployed server: new passwords, and tokens."""
