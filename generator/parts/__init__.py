"""What the layers are made of."""
