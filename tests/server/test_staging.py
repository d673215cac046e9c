"""What an upload holds open until it ends."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.store.staging import Staged


def opened() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def free_files() -> Iterator[Callable[[], None]]:
    """No file can be opened; each call frees one descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 8, hard))
    with ExitStack() as all_taken:
        all_taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        taken = []
        try:
            while True:
                taken.append(all_taken.enter_context(open(os.devnull)))
        except OSError:
            yield lambda: taken.pop().close()


def test_an_upload_that_cannot_begin_keeps_no_file_open(tmp_path: Path, free_files: Callable[[], None]) -> None:
    refused = 0
    while True:
        free_files()
        before = opened()
        try:
            Staged(tmp_path, "demo").discard()
            break
        except OSError:
            refused += 1
            assert opened() == before
    assert refused > 1
