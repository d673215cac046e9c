"""Whatever is asked, and whatever happens meanwhile: no private name gets out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..tasks import wheel
from .conftest import StartUpstream
from .playing import Index

Change = Callable[[str], str]

PRIVATE = ["acme-core", "acme-3d", "mine", "own-lib"]
SPELLINGS: list[Change] = [
    str,
    str.upper,
    str.title,
    lambda it: it.replace("-", "_"),
    lambda it: it.replace("-", "-.-"),
]
ENCODINGS = [
    str,
    lambda it: "".join(f"%{ord(c):02x}" for c in it),
    lambda it: it.replace("-", "%2D"),
    lambda it: f"/{it}",
]
PATHS = ["/simple/{}/", "/simple/{}", "/{}/", "/{}", "/project/{}/", "/{}/json", "/packages/.upstream/{}/{}-9.whl"]
ASKED = st.tuples(
    st.sampled_from(PRIVATE),
    st.sampled_from(SPELLINGS),
    st.sampled_from(ENCODINGS),
    st.sampled_from(PATHS),
    st.booleans(),
)


@pytest.mark.slow
def test_no_private_name_is_asked_for(start_upstream: StartUpstream, directory: Path, pypi: Index) -> None:
    tasks = [start_upstream(directory, PRIVATE_NAMES="acme-*") for _ in range(2)]
    for name in PRIVATE:
        pypi.add(name, *wheel(name.replace("-", "_"), "9"))
    pypi.add("public", *wheel("public", "1"))
    uploaded = set(PRIVATE[:2])

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ASKED, st.sampled_from(PRIVATE), st.text(max_size=8))
    def ask(asked: tuple[str, Change, Change, str, bool], upload: str, text: str) -> None:
        name, spell, encode, path, second = asked
        if upload not in uploaded:
            assert tasks[second].upload(*wheel(upload.replace("-", "_"), "1")).status_code == 200
            uploaded.add(upload)
        if name in uploaded:
            tasks[not second].get(path.replace("{}", encode(spell(name))), allow_redirects=True)
        tasks[second].get(f"/simple/{text}/")

    ask()
    assert tasks[0].project("public")["files"]
    for name in PRIVATE:
        assert not any(name in path for path in pypi.asked), pypi.asked
