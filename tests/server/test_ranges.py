"""Files and parts of them arrive as they are: short ones with their head, long ones from the kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.views.downloads import send
from server.wire.connection import SHORT_BYTES

from .tasks import Task


@pytest.mark.parametrize(
    ("range_", "status", "expected"),
    [
        *(
            ("bytes=2-4", 206, b"ntm"),
            ("bytes=-3", 206, b"new"),
            ("bytes=99-", 416, None),
            ("lines=1", 200, b"contmnew"),
        ),
        # RFC 9110, section 14.1.2: a file that is shorter is sent whole; bytes are counted from 0.
        *(("bytes=-99", 206, b"contmnew"), ("bytes=5-99", 206, b"new"), ("bytes=7-8", 206, b"w")),
        *(("bytes=-0", 416, None), ("bytes=8-", 416, None), ("bytes=0-0", 206, b"c")),
    ],
)
def test_ranges(shared: Task, range_: str, status: int, expected: bytes | None) -> None:
    (shared.directory / "ranges-1.0.tar.gz").write_bytes(b"contmnew")
    response = shared.get("/packages/ranges-1.0.tar.gz", headers={"Range": range_})
    assert response.status_code == status
    assert expected is None or (response.content, response.headers["Content-Length"]) == (expected, str(len(expected)))
    response = shared.get("/packages/ranges-1.0.tar.gz", headers={"Range": "bytes=1-2", "If-Range": '"old"'})
    assert (response.status_code, response.content) == (200, b"contmnew")


@pytest.mark.parametrize("size", [SHORT_BYTES, SHORT_BYTES + 1, 100_000])
def test_parts_of_any_length_arrive_whole(shared: Task, size: int) -> None:
    content = os.urandom(size + 2_000)
    (shared.directory / "parts-1.0.tar.gz").write_bytes(content)
    for first in (0, 1_000, 2_000):
        response = shared.get("/packages/parts-1.0.tar.gz", headers={"Range": f"bytes={first}-{first + size - 1}"})
        assert (response.status_code, response.content == content[first : first + size]) == (206, True)
    assert shared.get("/packages/parts-1.0.tar.gz").content == content


def test_a_file_that_is_shorter_than_it_says_is_not_sent() -> None:
    """Else the client would wait for the rest of an answer whose length is announced."""
    with Path("/sys/kernel/uevent_seqnum").open("rb") as file:
        assert os.fstat(file.fileno()).st_size > len(file.read())
        file.seek(0)
        with pytest.raises(OSError, match="truncated"):
            send(file, "demo-1.0.tar.gz", {}, '"tag"')
