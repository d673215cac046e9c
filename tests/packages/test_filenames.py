"""Names of files as pip and uv read them."""

from __future__ import annotations

import pytest
from pip._internal.utils.filetypes import ARCHIVE_EXTENSIONS

from generator.packages.filenames import is_package, project_of, version_of

OF_UV = {".tar.zst"}
"""https://docs.astral.sh/uv/concepts/resolution/#source-distribution; those of pip it takes, too."""


@pytest.mark.parametrize("suffix", sorted({*ARCHIVE_EXTENSIONS, *OF_UV} - {".whl"}))
def test_what_pip_or_uv_installs_is_a_package(suffix: str) -> None:
    for name in (f"Acme.core-1.0-2{suffix}", f"Acme.core-1.0-2{suffix.upper()}"):
        assert is_package(name)
        assert (project_of(name), version_of(name, "acme-core")) == ("acme-core", "1.0.post2")
