"""Which names are private, which files are shown and from when, and which addresses may be connected to."""

from __future__ import annotations

import math
import re
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from server.distributions.names import Patterns, is_name, normalized
from server.distributions.times import DAY_SECONDS
from server.proxy.policy import Candidate, Policy
from server.wire.outbound import Outbound, permitted

NAMES = st.from_regex(r"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?\Z")
NEVER = [
    ip_network(it) for it in ("127.0.0.0/8", "169.254.0.0/16", "fd00:ec2::/32", "fe80::/10", "::1/128", "0.0.0.0/32")
]


def policy(days: int = 0, exempt: str = "", blocked: str = "") -> Policy:
    return Policy(least_age_days=days, exempt=Patterns(exempt), blocked=blocked)


def candidate(project: str, version: str = "1.0", uploaded: float | None = 0.0) -> Candidate:
    return Candidate(project, Version(version), "0" * 64, uploaded)


@given(NAMES, st.sampled_from([str.upper, str.lower, str]), st.sampled_from("-_."))
def test_a_private_name_is_private_in_every_spelling(name: str, case: type[str], separator: str) -> None:
    spelled = case(name.replace("-", separator))
    assert normalized(spelled) == normalized(name)
    assert normalized(name) in Patterns(f"other,{spelled}")
    assert normalized(f"{name}-more") in Patterns(f"{spelled}-*")
    assert is_name(normalized(name))


@given(st.text(max_size=30))
def test_only_names_of_projects_get_out(text: str) -> None:
    assert not is_name(normalized(text)) or re.fullmatch("[a-z0-9-]+", normalized(text))


@given(st.lists(st.text("ab-*", min_size=1, max_size=6), max_size=3), st.text("ab-", max_size=8))
def test_a_star_stands_for_any_characters(patterns: list[str], name: str) -> None:
    try:
        found = Patterns(",".join(patterns))
    except ValueError:
        return
    assert (name in found) == any(fnmatchcase(name, normalized(pattern)) for pattern in patterns)


def test_many_stars_take_no_longer() -> None:
    """An expression would try 2^50 ways to fail."""
    assert "a" * 200 not in Patterns("*a" * 50 + "*b*")
    assert "a" * 200 in Patterns("*a" * 100)


def test_no_pattern_matches_nothing() -> None:
    assert "" not in Patterns("")
    assert "a" not in Patterns(" , ")
    for text in ("a/b", "é", "[a]", "-a"):
        with pytest.raises(ValueError, match="not the name"):
            Patterns(text)


@given(st.integers(1, 365), st.none() | st.floats(0, 4e9))
def test_a_file_is_shown_once_it_is_old_enough(days: int, uploaded: float | None) -> None:
    at = policy(days).shown_from(candidate("a", uploaded=uploaded))
    assert at == (math.inf if uploaded is None else uploaded + days * DAY_SECONDS)
    assert policy(days, exempt="A").shown_from(candidate("a", uploaded=uploaded)) == -math.inf
    assert policy(0).shown_from(candidate("a", uploaded=uploaded)) == -math.inf


@pytest.mark.parametrize("blocked", ["a", "A*", "a==1", "A == 1.0.0", "sha256:" + "0" * 64, "b,a==1.0"])
def test_what_is_blocked_is_so_however_old_and_exempt(blocked: str) -> None:
    assert policy(0, "a", blocked).shown_from(candidate("a")) == math.inf
    assert policy(0, "a", blocked).shown_from(candidate("c", "2.0")) == (
        math.inf if blocked.startswith("sha256") else -math.inf
    )


@pytest.mark.parametrize("blocked", ["a==x", "==1", "sha256:0", "a>1"])
def test_an_item_that_would_block_nothing_is_refused(blocked: str) -> None:
    with pytest.raises(ValueError, match=r"\bnot?\b"):
        policy(blocked=blocked)


@given(st.ip_addresses(), st.booleans())
def test_no_host_has_an_inner_address(address: object, chosen: bool) -> None:
    ip = ip_address(str(address))
    inner = any(ip in network for network in NEVER)
    assert not permitted(str(ip), chosen=chosen) or (not inner and (chosen or ip.is_global))


def test_forms_of_inner_addresses() -> None:
    for address in ("::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "fe80::1%eth0", "fd00:ec2::254"):
        assert not permitted(address, chosen=True), address
    assert permitted("10.0.0.1", chosen=True)
    assert not permitted("10.0.0.1", chosen=False)
    assert permitted("151.101.0.223", chosen=False)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://mirror/simple",
        "mirror/simple",
        "https:///simple",
        "https://:443/simple",
        "https://mirror/sim ple",
        "https://mirror/simpl\u00e9",
        "https://mirror/" + "x" * 2000,
        "https://reader@mirror/simple",
        "https://:secret@mirror/simple",
        "https://mirror/simple?token=1",
        "https://mirror/simple#here",
        "https://-mirror/simple",
        "https://mir_ror/simple",
        "https://mirror:port/simple",
        "https://mirror:65536/simple",
    ],
)
def test_an_address_of_no_index_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"it must|is not the name of a host|Port"):
        Outbound(url, [])


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_an_origin_is_the_same_with_its_usual_port(scheme: str, port: int) -> None:
    """RFC 9110, section 4.2."""
    outbound = Outbound(f"{scheme}://mirror/simple", [])
    assert outbound.split(f"{scheme}://mirror:{port}/x") is not None
    assert outbound.split(f"{scheme}://mirror:{port + 1}/x") is None
    assert Outbound(f"{scheme}://mirror:{port}/simple", []).split(f"{scheme}://mirror/x") is not None


@given(st.text(st.characters(codec="latin-1"), max_size=40))
def test_only_allowed_hosts_are_asked(text: str) -> None:
    outbound = Outbound("http://mirror:3141/simple", ["files.test"])
    assert outbound.split("https://files.test/x") is not None
    for url in (text, f"https://{text}", f"http://{text}/x", f"https://files.test{text}", f"//{text}"):
        parts = outbound.split(url)
        if parts is not None:
            assert (parts.scheme, parts.hostname, parts.port) in {
                ("http", "mirror", 3141),
                ("https", "files.test", None),
                ("https", "files.test", 443),
            }
            assert "@" not in parts.netloc
            assert url.isascii()
            assert url.isprintable()
