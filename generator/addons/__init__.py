"""Templates of their own, beside the server's stack."""
