"""What docs/clients.md says of the clients."""

from __future__ import annotations

import re

from .__main__ import LABELS
from .table import PAGE, UNKNOWN


def test_every_client_was_run_and_what_it_lacks_is_explained() -> None:
    table = PAGE.read_text().partition("<!-- works -->")[2].partition("<!-- /works -->")[0]
    assert re.findall(r"^\| (.+?) \|", table, re.MULTILINE)[1:] == LABELS
    assert UNKNOWN not in table
