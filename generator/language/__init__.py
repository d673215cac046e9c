"""A language for nested stacks: wires between layers, editions, slots, YAML. It knows nothing of this product."""
