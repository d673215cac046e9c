"""Clients who do what they do at once: what each is answered is as if one had come after another."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import requests

from ..tasks import JSON_TYPE, PUBLISHER, Task, sdist, sha256
from .linear import Call, explained
from .world import SECONDS, World

pytestmark = pytest.mark.slow
CLIENTS, CALLS, HISTORIES = 4, 7, 12
ASKED = [("list",), ("list",), ("upload", "a"), ("upload", "b"), ("upload", "a"), ("yank", "bad"), ("yank", "worse")]
ASKED += [("unyank",), ("remove",)]
# The digest of the project's one file, and why it is withdrawn.
State = tuple[str | None, str | None]
NOTHING: State = (None, None)
_numbers = itertools.count()


def act(state: State, asked: tuple[str, ...], *, immutable: bool) -> tuple[State, Hashable]:
    """What an index is; the answer is a status, or what is listed."""
    there, withdrawn = state
    match asked:
        case ("upload", digest) if immutable and there not in (None, digest):
            return state, 409
        case ("upload", digest):
            return (digest, withdrawn), 200
        case ("remove",) if immutable:
            return state, 403
        case ("list",):
            return state, (state if there else NOTHING)
        case _ if there is None:
            return state, 404
        case ("yank", reason):
            return (there, reason), 200
        case ("unyank",):
            return (there, None), 200
    return (None, withdrawn), 200


class Client:
    """Does one thing after another at one task."""

    def __init__(self, task: Task, project: str) -> None:
        self._task, self._project = task, project

    def calls(self, chosen: list[tuple[str, ...]]) -> list[Call]:
        return [self._call(*asked) for asked in chosen]

    def _call(self, action: str, *values: str) -> Call:
        began, asked = time.monotonic(), (action, *values)
        if action == "list":
            answer = self._listed()
        elif action == "upload":
            name, content = sdist(self._project, "1.0", values[0].encode())
            asked = (action, sha256(content))
            answer = 503
            # Where its file is removed meanwhile nothing is stored, and it is to be sent again.
            while answer == 503:
                answer = self._task.upload(name, content).status_code
        else:
            form = {":action": "remove_pkg" if action == "remove" else action, "name": self._project, "version": "1.0"}
            if values:
                form["reason"] = values[0]
            answer = requests.post(self._task.url, data=form, auth=PUBLISHER, timeout=60).status_code
        return Call(asked, answer, began, time.monotonic())

    def _listed(self) -> Hashable:
        answer = self._task.get(f"/simple/{self._project}/", headers={"Accept": JSON_TYPE})
        if answer.status_code == 404:
            return NOTHING
        (file,) = answer.json()["files"]
        return file["hashes"]["sha256"], file.get("yanked") or None


def history(world: World, chosen: random.Random) -> list[Call]:
    """Of clients at every task, in the order of beginnings."""
    project = f"history{next(_numbers)}"
    clients = [Client(world.tasks[it % len(world.tasks)], project) for it in range(CLIENTS)]
    # libfuse knows files by name: on a mount, an open file has the attributes of what another host has put in its place.
    # NFS knows them by handle. So there all files that are replaced have the same content.
    possible = ASKED if world.immutable or world.is_local else [it for it in ASKED if it != ("upload", "b")]
    asked = [chosen.choices(possible, k=CALLS) for _ in clients]
    with ThreadPoolExecutor(CLIENTS) as threads:
        calls = [it for calls in threads.map(Client.calls, clients, asked) for it in calls]
    return sorted(calls, key=lambda it: it.began)


def test_what_is_done_at_once_is_as_if_it_were_done_in_turn(world: World) -> None:
    """So many histories with a seed, others for MODEL_SECONDS."""
    ends, chosen = time.monotonic() + SECONDS, random.Random(None if SECONDS else 1)
    in_turn = partial(act, immutable=world.immutable)
    for _ in range(HISTORIES):
        assert explained(found := history(world, chosen), NOTHING, in_turn), "\n".join(map(str, found))
    while time.monotonic() < ends:
        assert explained(found := history(world, chosen), NOTHING, in_turn), "\n".join(map(str, found))


def test_a_history_that_no_order_explains_is_found() -> None:
    """A listing that misses what was answered before it was asked for, and one that does not."""
    uploaded = Call(("upload", "a"), 200, 0, 1)
    for listing, fine in (
        (Call(("list",), NOTHING, 2, 3), False),
        (Call(("list",), NOTHING, 0.5, 3), True),
        (Call(("list",), ("a", None), 0.5, 0.7), True),
    ):
        assert explained([uploaded, listing], NOTHING, partial(act, immutable=True)) == fine
