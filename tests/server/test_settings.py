"""A wrong setting ends the program with a line that names it; that the program does so is one real start's to show."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from server.settings import Settings, SettingsError

from .tasks import PUBLISHER, ROOT, environment_of

WRONG = [
    ("PUBLISHER_PASSWORD", ""),
    ("PUBLISHER_USERNAME", "a:b"),
    ("READER_PASSWORD", ""),
    ("READER_USERNAME", PUBLISHER[0]),
    ("PORT", "http"),
    ("PORT", "65536"),
    ("THREADS", "0"),
    ("IMMUTABLE_PACKAGES", "yes"),
    ("PACKAGES_DIRECTORY", "packages"),
    ("FALLBACK_URL", "pypi.org"),
    ("FALLBACK_URL", "https://beside-an-upstream.test"),
    ("UPSTREAM_URL", "ftp://a"),
    ("UPSTREAM_URL", "https://u:p@a"),
    ("PRIVATE_NAMES", "a/b"),
    ("BLOCKED_FILES", "a==x"),
    ("MIN_RELEASE_AGE_DAYS", "366"),
]


def environment(directory: Path, **values: str) -> dict[str, str]:
    return environment_of(directory, 1, **{"UPSTREAM_URL": "https://pypi.test/simple", **values})


def test_these_are_right_but_for_one(directory: Path) -> None:
    assert Settings.from_environment(environment(directory)).upstream


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_named(directory: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(environment(directory, **{name: value}))


def test_the_program_ends_with_one_line(newest_image: Path, directory: Path) -> None:
    given = {"PATH": os.defpath, **environment(directory, PORT="http")}
    ended = subprocess.run(
        [newest_image, "-m", "server"], cwd=ROOT, env=given, capture_output=True, text=True, timeout=60, check=False
    )
    (line,) = ended.stderr.splitlines()
    assert line.startswith("pypiserver: PORT must be a whole number")
    assert ended.returncode == 1
