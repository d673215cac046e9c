"""The program that runs in the container: pypiserver's application behind a validated index."""
