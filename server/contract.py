"""What the server and whoever starts it agree on. Imports nothing."""

HEALTH_PATH = "/health"
