"""What the layers say of the container is what its program does."""

from __future__ import annotations

from pathlib import Path

from generator.parts import container
from server.contract import HEALTH_PATH
from server.settings import Settings

CREDENTIALS = {"PUBLISHER_USERNAME": "publisher", "PUBLISHER_PASSWORD": "secret"}


def test_port_paths_and_directory_are_those_of_the_program() -> None:
    program = Settings.from_environment(CREDENTIALS)
    assert program.port == container.PORT
    assert HEALTH_PATH == container.HEALTH_PATH
    assert program.packages_directory == Path(container.PACKAGES_DIRECTORY)
