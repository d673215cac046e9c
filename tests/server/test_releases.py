"""File names and versions, for all that `packaging` takes."""

from __future__ import annotations

import contextlib
import itertools
import re
import sys
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from server.distributions.listed import normalized_version, order_of, package_at, project_of
from server.distributions.names import normalized
from server.distributions.releases import SDIST_SUFFIXES, BadName, released, same_file, same_version

from .conftest import StartTask
from .tasks import Task, beside, tarball, visible, wheel, zipped

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # bottle imports what newer Pythons have no more
    from pypiserver.pkg_helpers import guess_pkgname_and_version

PROJECTS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._]{0,8}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(
    r"([1-9]!)?[0-9]{1,3}(\.[0-9]{1,2}){0,3}((a|b|rc)[0-9])?(\.post[0-9])?(\.dev[0-9])?(\+[a-z0-9]{1,4})?",
    fullmatch=True,
)
FORMS = st.sampled_from(("-py3-none-any.whl", "-1a-cp312-cp312-linux_x86_64.whl", *SDIST_SUFFIXES))


PIECES = ["demo", "-", "-", ".", "1", "1.0", "2rc1", "+x", "_", "py3", "-py2.7-", "none", "any", "cp39", "linux", "-1-"]
PIECES += [
    "win32",
    ".win32-py2.7.",
    "a",
    "s",
    "c",
    "A",
    "\u00e9",
    ".whl",
    ".zip",
    ".tar.gz",
    ".TAR.GZ",
    ".asc",
    ".egg",
    ".tgz",
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=10).map("".join))
def test_files_are_listed_as_pypiserver_lists_them(name: str) -> None:
    """But for versions, which it neither normalises nor parts from a wheel's build tag."""
    guess = guess_pkgname_and_version(name)
    assert project_of(name) == (guess and normalized(guess[0]))
    if guess:
        version = guess[1].partition("-")[0] if re.search(r"\.whl([.asc]*\.asc)?$", name) else guess[1]
        assert package_at(name) == (name, guess[0], normalized_version(version))


def spellings(version: str) -> tuple[str, ...]:
    public, plus, local = version.partition("+")
    return version, str(Version(version)), f"v{version}", re.sub(r"(a|b|rc)", r".\1.", public) + plus + local


@st.composite
def respelled(draw: st.DrawFn, project: str) -> str:
    """Another spelling of the same project (PEP 503) that a file name may have."""
    parts = [draw(st.sampled_from((part.lower(), part.upper()))) for part in re.split(r"[._]+", project)]
    spelled: str = "".join(part + draw(st.sampled_from("._")) for part in parts[:-1]) + parts[-1]
    return spelled


@settings(max_examples=30, deadline=None)
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
    for other in spellings(version):
        assert same_file(file, f"{spelling}-{other}{form}")
        assert same_version(other, file)
    assert not same_file(file, f"{spelling}x-{version}{form}")
    assert not same_file(file, f"{spelling}-{version.partition('+')[0]}+other{form}")


def test_what_a_stored_name_means_is_worked_out_once() -> None:
    """Each upload is compared with every file of its project: otherwise ten thousand cost an hour."""
    stored = [f"compared-1.{number}-py3-none-any.whl" for number in range(200)]
    uploads = [released(f"Compared-1.{number}.0-py3-none-any.whl") for number in range(100, 300)]
    works: Counter[bool] = Counter()

    def watch(frame: FrameType, event: str, _: object) -> None:
        works[event == "call" and frame.f_code is parse_wheel_filename.__code__] += 1

    sys.setprofile(watch)
    try:
        found = sum(same_file(upload, name) for upload in uploads for name in stored)
    finally:
        sys.setprofile(None)
    assert found == 100
    assert works[True] == len(stored) + found


UNINSTALLABLE = [
    *("a.-1.0", "a_-1.0", "a-.-1.0", "_a-1.0", "a+b-1.0", "a!-1.0", "a b-1.0", "-1.0", "a-", "a-1.x"),
    # Of these lower() or a regular expression makes letters of ASCII, and int() digits.
    *("\u212aa-1.0", "a\u212a-1.0", "a-1.0po\u017ft1", "a-\u0661.0", "a\u0131-1.0", "\uff41-1.0", "a-1.0\u200b"),
]


@pytest.mark.parametrize("stem", UNINSTALLABLE)
@pytest.mark.parametrize("form", ["-py3-none-any.whl", "-1-py3-none-any.whl", *SDIST_SUFFIXES])
def test_a_name_that_nobody_can_install_is_none(stem: str, form: str) -> None:
    if stem in ("a-.-1.0", "a-1.x") and form[:2] == "-1":
        return
    with pytest.raises(BadName):
        released(stem + form)


@pytest.mark.parametrize("name", ["demo-1.0-cp313-cp313-linux_x86_64-cu12", "demo-1.0-1-py3-none-any-x86_64_v3"])
def test_a_wheel_variant_is_refused_as_what_it_is(name: str) -> None:
    with pytest.raises(BadName, match="PEP 825"):
        released(f"{name}.whl")


@pytest.mark.parametrize(
    "tags", ["py3-none-", "-none-any", "py3..py2-none-any", "py3.-none-any", "py3-!-any", "py3-none-\u00e9"]
)
def test_tags_are_words(tags: str) -> None:
    with pytest.raises(BadName):
        released(f"demo-1.0-{tags}.whl")


@given(PROJECTS, VERSIONS)
def test_a_release_has_one_source_distribution_however_packed(project: str, version: str) -> None:
    assert len({released(f"{project}-{version}{suffix}") for suffix in SDIST_SUFFIXES}) == 1


@given(st.text() | st.text().map(lambda text: f"{text}.whl") | st.text().map(lambda text: f"a-{text}.tar.gz"))
def test_no_name_is_an_error_of_another_kind(name: str) -> None:
    with contextlib.suppress(BadName):
        released(name)


@given(st.lists(VERSIONS | st.text(), max_size=8))
def test_all_versions_have_one_order(texts: list[str]) -> None:
    ordered = sorted(texts, key=order_of)
    texts.reverse()
    assert sorted(texts, key=order_of) == ordered
    keys = [order_of(text) for text in ordered]
    assert [key[0] for key in keys] == sorted(key[0] for key in keys)
    versions = [Version(text) for text, key in zip(ordered, keys, strict=True) if key[0]]
    assert versions == sorted(versions)


@given(st.text())
def test_a_version_is_normalised_once(text: str) -> None:
    once = normalized_version(text)
    assert normalized_version(once) == once


RELEASES = itertools.count()


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.data(),
    st.from_regex(r"[A-Za-z]{1,4}([._][A-Za-z]{1,4}){0,2}", fullmatch=True),
    VERSIONS,
    st.sampled_from(("form", "metadata", "nobody")),
    st.sampled_from(("project", "version")),
    st.sampled_from(("-py3-none-any.whl", ".tar.gz")),
)
def test_a_release_is_stored_if_file_name_form_and_metadata_agree(
    shared: Task, data: st.DataObject, project: str, version: str, odd: str, what: str, suffix: str
) -> None:
    """However each of them spells it; if the odd one names another project or version, nothing is stored."""
    project = f"{project}.{next(RELEASES):b}".translate({ord("0"): "o", ord("1"): "i"})
    said = {
        who: (data.draw(respelled(project)), data.draw(st.sampled_from(spellings(version))))
        for who in ("form", "metadata")
    }
    if odd in said:
        said[odd] = (f"{project}x", version) if what == "project" else (project, f"9!{Version(version).public}")
    text = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n".format(*said["metadata"]).encode()
    home = f"{data.draw(respelled(project)).replace('.', '_')}-{data.draw(st.sampled_from(spellings(version)[:2]))}"
    if suffix == ".tar.gz":
        content = tarball([(f"{home}/PKG-INFO", text), (f"{home}/setup.py", b"")])
    else:
        info = f"{home}.dist-info"
        content = zipped([(f"{info}/METADATA", text), *beside(info)])
    answer = shared.upload(f"{home}{suffix}", content, dict(zip(("name", "version"), said["form"], strict=True)))
    assert answer.status_code == (200 if odd == "nobody" else 400), answer.text
    assert (shared.directory / f"{home}{suffix}").exists() == (odd == "nobody")


@pytest.mark.slow
@pytest.mark.parametrize("immutable", ["true", "false"])
def test_of_two_spellings_published_at_once_one_is_stored(
    start_newest: StartTask, directory: Path, immutable: str
) -> None:
    tasks = [start_newest(directory, IMMUTABLE_PACKAGES=immutable) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for number in range(40):
            name, content = wheel(f"Raced_{'x' * (number + 1)}", "1.0")
            names = (name, name.lower())
            answers = list(pool.map(lambda task, name: task.upload(name, content), tasks, names))  # noqa: B023  # done
            stored = [it for it in visible(directory) if it.lower() == name.lower()]
            assert sorted(it.status_code for it in answers) == [200, 409], [it.text for it in answers]
            assert stored == [names[[it.status_code for it in answers].index(200)]]
            assert f"is stored as {stored[0]}" in "".join(it.text for it in answers)
