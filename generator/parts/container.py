"""What the layers know of the container they run; tests/parts/test_container.py compares it with the program's own."""

from __future__ import annotations

PORT = 8080
HEALTH_PATH = "/health"
"""Answers 200 to anybody, without credentials, while the server can serve the packages."""
PACKAGES_DIRECTORY = "/data/packages"
USER_ID = "9898"
"""User and group that the pypiserver image makes, and owner of the packages: what another image runs as, is this.

https://github.com/pypiserver/pypiserver/blob/master/Dockerfile
"""
