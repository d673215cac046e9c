"""Whose identity tokens are taken, without a server: what they prove, and of whom the publishers are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from server.accounts.access import Access
from server.accounts.identity import Unproved, keys_of, read_token
from server.accounts.publishers import Publisher
from server.accounts.tokens import entries_of

from .issuers import AUDIENCE, KEY_ID, claims_of, encoded, integer, key, published, publisher, signed

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"


def verified(text: str, **more: object) -> dict[str, Any]:
    """What a token says, with the issuer's one key."""
    token = read_token(text)
    token.require_current(AUDIENCE, time.time())
    known = keys_of({"keys": [published(key(), **more)]})
    if token.key_id not in known:
        raise Unproved("no such key")
    token.require_signed(known[token.key_id])
    return dict(token.claims)


def with_secret(algorithm: str, secret: bytes) -> str:
    text = f"{encoded({'alg': algorithm, 'kid': KEY_ID})}.{encoded(claims_of(GITHUB))}"
    return f"{text}.{encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def resigned(number: int) -> str:
    """A token whose signature is a number of the attacker's choice."""
    size = key().key_size // 8
    return f"{signed(claims_of(GITHUB)).rpartition('.')[0]}.{encoded((number % (1 << 8 * size)).to_bytes(size, 'big'))}"


def changed(**more: object) -> str:
    _, _, signature = signed(claims_of(GITHUB)).split(".")
    return f"{encoded({'alg': 'RS256', 'kid': KEY_ID})}.{encoded(claims_of(GITHUB, **more))}.{signature}"


NOW = int(time.time())


def after(seconds: int) -> int:
    return int(time.time()) + seconds


def public_key() -> bytes:
    return json.dumps(published(key())).encode()


# Made where they are tried: a key takes a fifth of a second, and time passes.
FORGED: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: signed(claims_of(GITHUB), alg="none"),
    "no signature": lambda: signed(claims_of(GITHUB)).rpartition(".")[0] + ".",
    "none without signature": lambda: f"{encoded({'alg': 'none', 'kid': KEY_ID})}.{encoded(claims_of(GITHUB))}.",
    "none spelled otherwise": lambda: f"{encoded({'alg': 'nOnE', 'kid': KEY_ID})}.{encoded(claims_of(GITHUB))}.AA",
    "the public key as a secret": lambda: with_secret("HS256", public_key()),
    "a secret under the right name": lambda: with_secret("RS256", public_key()),
    "another digest": lambda: signed(claims_of(GITHUB), alg="RS512"),
    "another padding": lambda: signed(claims_of(GITHUB), alg="PS256"),
    "elliptic": lambda: signed(claims_of(GITHUB), alg="ES256"),
    "an algorithm in a list": lambda: signed(claims_of(GITHUB), alg=["RS256"]),
    "another's key": lambda: signed(claims_of(GITHUB), key("attacker")),
    "another's key, and where it is": lambda: signed(
        claims_of(GITHUB), key("attacker"), jku="https://evil.test/keys", x5u="https://evil.test/key.pem"
    ),
    "another's key in the token": lambda: signed(claims_of(GITHUB), key("attacker"), jwk=published(key("attacker"))),
    "another's key of another size": lambda: signed(claims_of(GITHUB), key("large", 3072)),
    "no key": lambda: signed(claims_of(GITHUB), kid=None),
    "an unknown key": lambda: signed(claims_of(GITHUB), kid="x"),
    "keys": lambda: signed(claims_of(GITHUB), kid=[KEY_ID]),
    "no issuer": lambda: signed(claims_of(GITHUB, iss=None)),
    "issuers": lambda: signed(claims_of(GITHUB, iss=[GITHUB])),
    "a path for a key": lambda: signed(claims_of(GITHUB), kid="../../../../dev/null"),
    "an extension": lambda: signed(claims_of(GITHUB), crit=["b64"], b64=False),
    "the number 0": lambda: resigned(0),
    "the number 1": lambda: resigned(1),
    "the modulus and one": lambda: resigned(key().public_key().public_numbers().n + 1),
    "other claims": lambda: changed(repository="evil/acme"),
    "PyPI's audience": lambda: signed(claims_of(GITHUB, aud="pypi")),
    "another index's audience": lambda: signed(claims_of(GITHUB, aud=AUDIENCE + ".evil.test")),
    "two audiences": lambda: signed(claims_of(GITHUB, aud=[AUDIENCE, "pypi"])),
    "no audience": lambda: signed(claims_of(GITHUB, aud=None)),
    "expired": lambda: signed(claims_of(GITHUB, iat=after(-900), nbf=after(-900), exp=after(-90))),
    "in the future": lambda: signed(claims_of(GITHUB, iat=after(600), nbf=after(600), exp=after(900))),
    "not valid yet": lambda: signed(claims_of(GITHUB, nbf=after(600))),
    "no end": lambda: signed(claims_of(GITHUB, exp=None)),
    "an end in words": lambda: signed(claims_of(GITHUB, exp="never")),
    "an endless end": lambda: signed(claims_of(GITHUB, exp=float("inf"))),
    "no number for an end": lambda: signed(claims_of(GITHUB, exp=float("nan"))),
    "a truth for an end": lambda: signed(claims_of(GITHUB, exp=True)),
    "an end that no float holds": lambda: signed(claims_of(GITHUB, exp=10**400)),
    "a beginning that no float holds": lambda: signed(claims_of(GITHUB, iat=-(10**400))),
    "good for years": lambda: signed(claims_of(GITHUB, exp=after(10**9))),
    "a giant": lambda: "a" * 10**6,
    "a giant claim": lambda: signed(claims_of(GITHUB, sub="x" * 10**5)),
    "deep": lambda: f"{encoded(b'[' * 5000)}.{encoded(claims_of(GITHUB))}.AA",
    "no JSON": lambda: f"{encoded(b'{')}.{encoded(claims_of(GITHUB))}.AA",
    "no UTF-8": lambda: f"{encoded(bytes([255]))}.{encoded(claims_of(GITHUB))}.AA",
    "a length that no bytes have": lambda: signed(claims_of(GITHUB)).rpartition(".")[0] + ".AAAAA",
    "no object": lambda: f"{encoded([])}.{encoded(claims_of(GITHUB))}.AA",
    "empty": lambda: "",
    "two parts": lambda: "e30.e30",
    "four parts": lambda: signed(claims_of(GITHUB)) + ".e30",
    "padded": lambda: signed(claims_of(GITHUB)) + "==",
    "a line end": lambda: signed(claims_of(GITHUB)) + "\n",
    "another alphabet": lambda: signed(claims_of(GITHUB)).replace("_", "/").replace("-", "+") + "+",
}


def test_a_token_is_taken_for_what_its_issuer_says() -> None:
    assert verified(signed(claims_of(GITHUB, aud=[AUDIENCE])))["repository"] == "octo/acme"
    assert verified(signed(claims_of(GITHUB, iat=NOW + 30, nbf=NOW + 30)))["iss"] == GITHUB, "clocks differ"


def test_a_token_is_taken_for_five_hours_and_a_minute_of_another_clock() -> None:
    def is_taken(now: float, hours: float = 5, **more: object) -> bool:
        token = read_token(signed(claims_of(GITHUB, iat=NOW, exp=NOW + hours * 3600, **{"nbf": NOW, **more})))
        with suppress(Unproved):
            token.require_current(AUDIENCE, NOW + now)
            return True
        return False

    assert [is_taken(now) for now in (-61, -60, 5 * 3600 + 59, 5 * 3600 + 60)] == [False, True, True, False]
    assert [is_taken(0, nbf=NOW + later) for later in (60, 61)] == [True, False]
    assert not is_taken(0, hours=5.001)


@pytest.mark.parametrize("what", FORGED)
def test_what_is_forged_expired_or_for_another_proves_nothing(what: str) -> None:
    with pytest.raises(Unproved):
        verified(FORGED[what]())


def test_a_padding_that_only_begins_right_is_none() -> None:
    """Bleichenbacher's forgery: the digest not at the end, which a parser of the padding would take."""
    text = signed(claims_of(GITHUB)).rpartition(".")[0]
    size, numbers = key().key_size // 8, key().private_numbers()
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(text.encode()).digest()
    for padded in (
        b"\x00\x01" + b"\xff" * 8 + b"\x00" + info + b"\x00" * (size - len(info) - 11),
        b"\x00\x02" + b"\xff" * (size - len(info) - 3) + b"\x00" + info,
        b"\x00\x01" + b"\xff" * (size - len(info) - 4) + b"\x00" + info + b"\x00",
        b"\x00\x01" + b"\xff" * (size - 35) + b"\x00" + info[-32:],
    ):
        number = pow(int.from_bytes(padded, "big"), numbers.d, numbers.public_numbers.n)
        with pytest.raises(Unproved, match="signature"):
            verified(f"{text}.{encoded(number.to_bytes(size, 'big'))}")


def test_a_signature_has_one_spelling() -> None:
    """The same number and the modulus more, where that has room."""
    size, modulus = key().key_size // 8, key().public_key().public_numbers().n
    tried = 0
    for _ in range(200):
        text, _, signature = signed(claims_of(GITHUB)).rpartition(".")
        number = int.from_bytes(base64.urlsafe_b64decode(signature + "=="), "big") + modulus
        if number < 1 << 8 * size:
            with pytest.raises(Unproved, match="signature"):
                verified(f"{text}.{encoded(number.to_bytes(size, 'big'))}")
            tried += 1
            break
    assert tried


@pytest.mark.parametrize(
    "weak",
    [
        {"kty": "oct"},
        {"use": "enc"},
        {"alg": "RS512"},
        {"alg": None},
        {"e": "Aw"},
        {"e": "AQAA"},
        {"e": integer(65540)},
        {"e": integer(2**32 + 1)},
        {"e": "AAAAAQABAAAAAQAB"},
        {"n": "AQAB"},
        {"n": integer(2**2047 + 2)},
        {"n": integer(2**2047 + 4)},
        {"n": encoded(b"\xff" * 1025)},
        {"n": None},
        {"n": 7},
        {"kid": 7},
        {"kid": None},
    ],
)
def test_a_key_that_is_weak_or_for_something_else_is_none(weak: dict[str, object]) -> None:
    assert_is_none(weak)


def test_a_key_that_is_short_or_no_number_is_none() -> None:
    assert_is_none({"n": published(key("small", 1024))["n"]})
    assert_is_none({"n": f"{published(key())['n']}!"})


def assert_is_none(weak: dict[str, object]) -> None:
    assert keys_of({"keys": [published(key(), **weak), 7, None, published(key(), "other")]}).keys() == {"other"}


@pytest.mark.parametrize("junk", [None, [], {}, {"keys": {}}, {"keys": [{}] * 101}, "x"])
def test_a_set_of_keys_that_is_none_is_refused(junk: object) -> None:
    with pytest.raises(ValueError, match="not a set"):
        keys_of(junk)
    assert keys_of({"keys": [{}] * 99 + [published(key())]}).keys() == {KEY_ID}


def test_two_tokens_are_one_only_by_what_their_issuer_calls_them() -> None:
    claims = claims_of(GITHUB)
    changes: list[dict[str, object]] = [
        {},
        {"sub": "x"},
        {"iss": GITLAB},
        {"jti": "x"},
        {"jti": None},
        {"jti": None, "sub": "x"},
    ]
    first, *others = [read_token(signed({**claims, **more})).identifier for more in changes]
    assert others[0] == first
    assert len({first, *others}) == 5


def trusted(*entries: object) -> Access:
    access = Access([])
    access.take({"TOKENS": {"AWSCURRENT": json.dumps(entries)}})
    return access


STRANGERS: dict[str, dict[str, Any]] = {
    "another repository": {"repository": "octo/other", "repository_id": "75"},
    "the name, registered again": {"repository_id": "99", "repository_owner_id": "98"},
    "the owner's name, registered again": {"repository_owner_id": "98"},
    "a fork": {"repository": "evil/acme", "repository_id": "76", "repository_owner_id": "66"},
    "another environment": {"environment": "staging"},
    "an environment that begins so": {"environment": "release-x"},
    "no environment": {"environment": None},
    "environments": {"environment": ["release"]},
    "another workflow": {"job_workflow_ref": "octo/acme/.github/workflows/test.yml@refs/tags/v1"},
    "a workflow of another": {"job_workflow_ref": "evil/octo/acme/.github/workflows/release.yml@refs/tags/v1"},
    "a file that begins so": {"job_workflow_ref": "octo/acme/.github/workflows/release.yml@x.yml@refs/tags/v1"},
    "a workflow in lines": {"job_workflow_ref": "octo/acme/.github/workflows/release.yml@x\n"},
    "a pull request": {"event_name": "pull_request"},
    "a pull request with rights": {"event_name": "pull_request_target"},
    "letters of another case": {"repository": "Octo/Acme"},
    "another issuer": {"iss": GITLAB},
    "an issuer that begins so": {"iss": GITHUB + "/evil"},
}


@pytest.mark.parametrize("who", STRANGERS)
def test_somebody_else_is_not_the_publisher(who: str) -> None:
    access = trusted(publisher("ci", GITHUB))
    assert access.publisher(claims_of(GITHUB)) is not None
    assert access.publisher(claims_of(GITHUB, **STRANGERS[who])) is None


def test_a_job_of_a_pull_request_may_read_where_a_publisher_says_so() -> None:
    access = trusted(publisher("ci", GITHUB, may="read"))
    assert access.publisher(claims_of(GITHUB, event_name="pull_request")) is not None
    assert access.publisher(claims_of(GITHUB, event_name="pull_request_target")) is None


def test_a_pattern_ends_where_the_parts_of_a_claim_do() -> None:
    sub = "project_path:octo/acme:ref_type:branch:ref:*"
    access = trusted(publisher("ci", GITLAB, claims={"project_id": "20", "sub": sub, "ref_protected": "true"}))

    def admits(sub: str, **more: object) -> bool:
        claims: dict[str, Any] = {"project_id": 20, "ref_protected": True, "pipeline_source": "push", **more}
        return access.publisher(claims_of(GITLAB, sub=sub, **claims)) is not None

    assert admits("project_path:octo/acme:ref_type:branch:ref:release/1")
    assert not admits("project_path:octo/acme:ref_type:branch:ref:release:x")
    assert not admits("project_path:octo/acme:ref_type:tag:ref:release")
    assert not admits("project_path:octo/acme:ref_type:branch:ref:x", ref_protected=False)
    assert not admits("project_path:octo/acme:ref_type:branch:ref:x", pipeline_source="merge_request_event")
    assert not admits("x" * 20_000)
    assert not admits("project_path:octo/acme:ref_type:branch:ref:" + "x" * 2000)
    assert not admits("project_path:octo/acme:ref_type:branch:ref:x\n")


@pytest.mark.parametrize("named", ["event_name", "pipeline_source"])
@pytest.mark.parametrize("event", ["pull_request", "merge_request_event", "external_pull_request_event"])
def test_a_proposals_job_may_not_upload_whoever_calls_it_so(event: str, named: str) -> None:
    claims = claims_of(GITHUB, event_name=None) | {named: event}
    assert trusted(publisher("ci", GITHUB)).publisher(claims) is None
    assert trusted(publisher("ci", GITHUB, may="read")).publisher(claims) is not None


@pytest.mark.parametrize(
    ("issuer", "claim"),
    [
        (GITHUB, "repository_id"),
        (GITHUB, "repository_owner_id"),
        (GITLAB, "project_id"),
        (GITLAB, "namespace_id"),
        ("https://agent.buildkite.com", "organization_id"),
        ("https://agent.buildkite.com", "organization_slug"),
    ],
)
def test_who_gets_tokens_like_anybody_is_pinned_by_what_nobody_else_becomes(issuer: str, claim: str) -> None:
    entries_of(json.dumps([publisher("ci", issuer, claims={claim: "74", "sub": "octo/*"})]))
    for open_to_all in ({claim: "74*", "sub": "octo/*"}, {"sub": "octo", "name": "acme"}):
        with pytest.raises(ValueError, match="entry 1"):
            entries_of(json.dumps([publisher("ci", issuer, claims=open_to_all)]))


def test_of_several_publishers_the_one_that_asks_most_is_taken() -> None:
    wide, narrow = publisher("wide", GITHUB, may="read"), publisher("narrow", GITHUB)
    wide["claims"] = {"repository_id": "74"}
    access = trusted(wide, narrow)

    def taken(**more: object) -> Publisher | None:
        return access.publisher(claims_of(GITHUB, **more))

    assert (found := taken()) is not None
    assert found.grant.name == "__token__:narrow"
    assert (found := taken(environment="staging")) is not None
    assert found.grant.name == "__token__:wide"


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://ci.example.com"},
        {"issuer": "https://user@ci.example.com"},
        {"issuer": "https://ci.example.com?x"},
        {"issuer": "https://"},
        {"issuer": 7},
        {"claims": {}},
        {"claims": {}, "issuer": "https://ci.example.com"},
        {"claims": {"environment": "release"}},
        {"claims": {"repository": "octo/acme"}},
        {"claims": {"repository_id": "*"}},
        {"claims": {"repository_id": "7*"}},
        {"claims": {"repository_id": 74}},
        {"claims": {"repository_id": "74", "sub": ""}},
        {"claims": {"repository_id": "74", "sub": "***"}},
        {"claims": {"repository_id": "74", "sub": "*"}},
        {"claims": {"repository_id": "74", "sub": "a*b*c*"}},
        {"claims": {"repository_id": "74", "sub": "a\n"}},
        {"claims": {"repository_id": "74", "sub": "a" * 2001}},
        {"claims": {"repository_id": "74"} | {str(n): "x" for n in range(20)}},
        {"key": "short"},
        {"key": None},
        {"may": "delete"},
        {"projects": []},
        {"audience": "pypi"},
        {"sha256": "0" * 64},
        {"name": "a:b"},
    ],
)
def test_a_publisher_that_would_admit_anybody_or_is_written_wrong_is_refused(wrong: dict[str, object]) -> None:
    most = {"repository_id": "74", "tag": "x"} | {str(n): "a*b*" for n in range(18)}
    entries_of(json.dumps([publisher("ci", GITHUB), publisher("wide", GITHUB, claims=most)]))
    with pytest.raises(ValueError, match="entry 1"):
        entries_of(json.dumps([publisher("ci", GITHUB) | wrong]))


def test_a_minted_token_is_good_for_what_its_publisher_is_and_as_long() -> None:
    access = trusted(publisher("ci", GITHUB), publisher("other", GITHUB, claims={"repository_id": "1"}))
    found = access.publisher(claims_of(GITHUB))
    assert found is not None
    text, grant, until = found.mint()
    assert text.startswith("pypi-ci.")
    assert 890 < until - time.time() <= 900
    assert access.minted(text, time.time()) == grant
    assert (grant.may_upload, grant.token) == (True, True)
    assert grant.name == f"__token__:ci:{grant.minted}"
    for wrong in (
        text[:-1],
        text + "x",
        text.replace("ci.", "other."),
        text.replace(f".{until}.", f".{until + 9}."),
        text.replace(grant.minted, "0" * 24),
        text.replace("pypi-", ""),
        text + "\n",
        "pypi-",
    ):
        assert access.minted(wrong, time.time()) is None
    assert trusted(publisher("ci", GITHUB, projects=["x"])).minted(text, time.time()) != grant
    assert trusted(publisher("ci", GITHUB, key="n" * 43)).minted(text, time.time()) is None
    assert trusted(publisher("ci", GITHUB, expires="2020-01-01T00:00:00+00:00")).minted(text, time.time()) is None
    assert trusted().minted(text, time.time()) is None
    assert access.minted(text, until) is None
