"""The nested stacks: one module each, one function and one frozen result of wires."""
