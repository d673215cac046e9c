"""Which indexes a command connects to, and with which credentials."""

from __future__ import annotations

import os
from collections.abc import Callable
from netrc import NetrcParseError
from urllib.parse import urlsplit

from requests.utils import get_netrc_auth

from generator.operations.aws import Account
from generator.operations.credentials import read
from generator.operations.exits import Problem
from generator.operations.formats import User
from generator.packages.simple import SimpleIndex


def ours(account: Callable[[], Account], stack_name: str, to: str | None) -> SimpleIndex:
    """The stack's server with the publisher's credentials; with ``to`` the server there, with twine's variables.

    Raises Problem.
    """
    if to is None:
        given = read(account(), stack_name, User.PUBLISHER)
        return SimpleIndex(
            f"{given.url}/simple/", (given.username, given.password), f"check the publisher's secret of {stack_name}"
        )
    url = _checked(to, "TWINE_USERNAME and TWINE_PASSWORD").rstrip("/").removesuffix("/simple")
    credentials = _from_environment("TWINE")
    if credentials is None:
        raise Problem("--to wants the publisher's credentials in TWINE_USERNAME and TWINE_PASSWORD")
    return SimpleIndex(f"{url}/simple/", credentials, "check TWINE_USERNAME and TWINE_PASSWORD")


def theirs(url: str) -> SimpleIndex:
    """Another index, with credentials of IMPORT_USERNAME and IMPORT_PASSWORD, else of .netrc. Raises Problem."""
    url = _checked(url, "IMPORT_USERNAME and IMPORT_PASSWORD")
    advice = "give its credentials in IMPORT_USERNAME and IMPORT_PASSWORD, or in .netrc"
    credentials = _from_environment("IMPORT")
    try:
        credentials = credentials or get_netrc_auth(url, raise_errors=True)
    except (NetrcParseError, OSError, UnicodeDecodeError) as error:
        # An index without accounts needs none.
        advice += f", which cannot be read: {error}"
    return SimpleIndex(url, credentials, advice)


def _from_environment(prefix: str) -> tuple[str, str] | None:
    username, password = (os.environ.get(f"{prefix}_{name}", "") for name in ("USERNAME", "PASSWORD"))
    return (username, password) if username or password else None


def _checked(given: str, variables: str) -> str:
    """The address without blanks around it.

    Raises Problem, which does not repeat it, if it is none, or contains credentials that everybody here sees.
    """
    url = given.strip()
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        known = known and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise Problem(
            "this is not the URL of an index: give one such as https://pypi.example.com/simple/, without query and fragment"
        )
    if "@" in parts.netloc:
        raise Problem(
            f"give the credentials in {variables}, not in the URL: other users and the shell's history see commands"
        )
    return url
