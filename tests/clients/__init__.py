"""Real clients of many ages against a real task: `make clients`."""
