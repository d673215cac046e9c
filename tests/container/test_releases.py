"""File names and versions, for all that `packaging` takes."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # bottle imports what newer Pythons have no more
    from generator.container.releases import (
        SDIST_SUFFIXES,
        BadName,
        filed_otherwise,
        order_of,
        released,
        same_file,
        same_version,
        version_of,
    )

PROJECTS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._]{0,8}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(
    r"([1-9]!)?[0-9]{1,3}(\.[0-9]{1,2}){0,3}((a|b|rc)[0-9])?(\.post[0-9])?(\.dev[0-9])?(\+[a-z0-9]{1,4})?",
    fullmatch=True,
)
FORMS = st.sampled_from(("-py3-none-any.whl", "-1a-cp312-cp312-linux_x86_64.whl", *SDIST_SUFFIXES))


@st.composite
def respelled(draw: st.DrawFn, project: str) -> str:
    """Another spelling of the same project (PEP 503) that a file name may have."""
    parts = [draw(st.sampled_from((part.lower(), part.upper()))) for part in re.split(r"[._]+", project)]
    text: str = "".join(part + draw(st.sampled_from("._")) for part in parts[:-1]) + parts[-1]
    return text


@given(PROJECTS, VERSIONS, FORMS)
def test_what_build_tools_write_is_listed_as_what_it_is(project: str, version: str, form: str) -> None:
    """As the specifications of wheels and source distributions spell the names of files."""
    name = f"{canonicalize_name(project).replace('-', '_')}-{Version(version)}{form}"
    assert filed_otherwise(name, released(name)) is None


@given(st.data(), PROJECTS, VERSIONS, FORMS)
def test_spellings_of_a_file_are_one_file(data: st.DataObject, project: str, version: str, form: str) -> None:
    try:
        file = released(f"{project}-{version}{form}")
    except BadName:
        # Wheels may not have two underscores in a row.
        assert form.endswith(".whl")
        return
    assert (file.project, file.version) == (canonicalize_name(project), Version(version))
    spelling = data.draw(respelled(project))
    for other in (version, str(Version(version)), f"v{version}", re.sub(r"(a|b|rc)([0-9])", r"\1.\2", version)):
        assert same_file(file, f"{spelling}-{other}{form}")
        assert same_version(other, file)
    assert not same_file(file, f"{spelling}x-{version}{form}")
    assert not same_file(file, f"{spelling}-{version.partition('+')[0]}+other{form}")


@given(PROJECTS, VERSIONS)
def test_a_release_has_one_source_distribution_however_packed(project: str, version: str) -> None:
    assert len({released(f"{project}-{version}{suffix}") for suffix in SDIST_SUFFIXES}) == 1


@given(st.text() | st.text().map(lambda text: f"{text}.whl") | st.text().map(lambda text: f"a-{text}.tar.gz"))
def test_no_name_is_an_error_of_another_kind(name: str) -> None:
    with suppress(BadName):
        assert released(name).project


@given(st.data(), st.lists(VERSIONS | st.text(), max_size=8))
def test_all_versions_have_one_order(data: st.DataObject, texts: list[str]) -> None:
    ordered = sorted(texts, key=order_of)
    assert sorted(data.draw(st.permutations(texts)), key=order_of) == ordered
    keys = [order_of(text) for text in ordered]
    assert [key[0] for key in keys] == sorted(key[0] for key in keys)
    versions = [Version(text) for text, key in zip(ordered, keys, strict=True) if key[0]]
    assert versions == sorted(versions)


@given(st.text())
def test_a_version_is_normalised_once(text: str) -> None:
    once = version_of("", text)
    assert version_of("", once) == once
