"""`python3 -m container`."""

from .server import main

main()
