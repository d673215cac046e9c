"""The secret of a stack's tokens: a JSON list of tokens and trusted publishers, as docs/tokens.md describes it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from generator.operations.aws import Account
from generator.operations.errors import ClientError, code
from generator.operations.exits import Problem
from generator.operations.stacks import get, outputs
from server.accounts.tokens import NAME, entries_of

MOST_BYTES = 65_536
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""
_ATTEMPTS = 5
_CURRENT = "AWSCURRENT"
_PROJECT = re.compile(r"[A-Za-z0-9*](?:[A-Za-z0-9*._-]*[A-Za-z0-9*])?")

Entry = dict[str, Any]


def begun(name: str, may: str, projects: list[str], expires: str) -> Entry:
    """The fields that every entry has. ``expires`` is ``90d``, ``12h`` or ``never``. Raises Problem."""
    if not NAME.fullmatch(name):
        raise Problem(f"{name!r} cannot be a name: up to 63 letters, digits and . _ -, a letter or digit first")
    if wrong := [it for it in projects if not _PROJECT.fullmatch(it)]:
        raise Problem(f"--project {wrong[0]!r} is not the name of a project; * stands for any characters")
    return {"name": name, "may": may, "projects": projects, "expires": _end(expires)}


def refuse_wrong(entry: Entry, advice: str) -> None:
    """Raises Problem, which says ``advice``, for an entry that tasks would refuse."""
    try:
        entries_of(json.dumps([entry]))
    except ValueError as error:
        raise Problem(advice) from error


def add(account: Account, stack_name: str, entry: Entry) -> None:
    """Raises Problem if the name is taken, or another entry already trusts the same claims."""

    def edit(entries: list[Entry]) -> list[Entry]:
        if other := next((it for it in entries if it["name"] == entry["name"]), None):
            raise Problem(
                f"there is a {kind_of(other)} {entry['name']} already: revoke it first, or choose another name"
            )
        for it in entries:
            if "claims" in it and (it["issuer"], it["claims"]) == (entry.get("issuer"), entry.get("claims")):
                raise Problem(
                    f"the publisher {it['name']} has these claims already: revoke that one, then name all projects here"
                )
        return [*entries, entry]

    _change(account, stack_name, edit)


def remove(account: Account, stack_name: str, name: str, kind: str) -> None:
    """Raises Problem if there is none of that name."""

    def edit(entries: list[Entry]) -> list[Entry]:
        rest = [it for it in entries if (it["name"], kind_of(it)) != (name, kind)]
        if len(rest) == len(entries):
            command = "token" if kind == "token" else "trust"
            raise Problem(f"there is no {kind} {name}: `{command} list` names those there are")
        return rest

    _change(account, stack_name, edit)


def kind_of(entry: Entry) -> str:
    return "token" if "sha256" in entry else "publisher"


def listed(account: Account, stack_name: str, kind: str, shown: Sequence[str]) -> list[Entry]:
    """What is ``shown`` of every entry of that kind, with ``expired``. Raises Problem."""
    _, entries = _read(account, _arn(account, stack_name))
    now = datetime.now(UTC)
    return [
        {key: it[key] for key in shown}
        | {"expired": it["expires"] is not None and datetime.fromisoformat(it["expires"]) <= now}
        for it in entries
        if kind_of(it) == kind
    ]


def until(entry: Entry) -> str:
    """When an entry that is ``listed`` expires, for a person."""
    if entry["expires"] is None:
        return "never expires"
    return f"{'expired' if entry['expired'] else 'until'} {entry['expires']}"


def _end(expires: str) -> str | None:
    found = re.fullmatch(r"([1-9][0-9]{0,4})([dh])", expires)
    if expires == "never":
        return None
    if found is None:
        raise Problem(f"--expires {expires} is neither days (90d) nor hours (12h) nor never")
    span = timedelta(**{{"d": "days", "h": "hours"}[found[2]]: int(found[1])})
    return (datetime.now(UTC) + span).isoformat(timespec="seconds")


def _arn(account: Account, stack_name: str) -> str:
    given = outputs(get(account, stack_name))
    if not given.get("TokensSecretArn"):
        raise Problem(f"{stack_name} has no tokens: deploy it with Tokens=true")
    return given["TokensSecretArn"]


def _read(account: Account, arn: str) -> tuple[str, list[Entry]]:
    """The current version and its content. Raises Problem."""
    found = account.client("secretsmanager").get_secret_value(SecretId=arn, VersionStage=_CURRENT)
    text = found.get("SecretString", "")
    try:
        # As tasks do: if they refuse a list, no change to it takes effect, and a revoked token keeps working.
        entries_of(text)
    except ValueError as error:
        raise Problem(f"tasks reject the list in the secret {arn}, as {error}: fix it there") from error
    return found["VersionId"], json.loads(text)


def _change(account: Account, stack_name: str, edit: Callable[[list[Entry]], list[Entry]]) -> None:
    """Replace exactly the version that ``edit`` was given with its result. Raises Problem.

    A label moves only from the version that has it, so if two change the list at once, one starts again:
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
    """
    arn, client = _arn(account, stack_name), account.client("secretsmanager")
    for _ in range(_ATTEMPTS):
        version, entries = _read(account, arn)
        text = json.dumps(edit(entries), separators=(",", ":"))
        if len(text.encode()) > MOST_BYTES:
            raise Problem(
                f"the secret has no room for another of {len(entries)} tokens and publishers: revoke those that have expired"
            )
        following = str(uuid.uuid4())
        label = f"edit-{following}"
        client.put_secret_value(SecretId=arn, SecretString=text, ClientRequestToken=following, VersionStages=[label])
        try:
            client.update_secret_version_stage(
                SecretId=arn, VersionStage=_CURRENT, MoveToVersionId=following, RemoveFromVersionId=version
            )
            return
        except ClientError as error:
            if code(error) not in ("InvalidParameterException", "InvalidRequestException"):
                raise
        finally:
            # A version without a label is soon removed.
            client.update_secret_version_stage(SecretId=arn, VersionStage=label, RemoveFromVersionId=following)
    raise Problem("somebody else keeps changing the tokens, and nothing was changed: try again")
