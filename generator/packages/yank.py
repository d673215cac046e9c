"""Yanks and unyanks releases (PEP 592), and gives projects a status (PEP 792)."""

from __future__ import annotations

import sys

from generator.operations.exits import DONE, FAILED, Problem
from generator.packages.simple import SimpleIndex
from generator.packages.transport import Failed, Stopped


def change(index: SimpleIndex, project: str, version: str, reason: str | None) -> int:
    """Yank the release, or with ``None`` undo that; returns the exit code. Raises Problem if the server refuses."""
    form = {"name": project, "version": version}
    form |= {":action": "unyank"} if reason is None else {":action": "yank", "reason": reason}
    return _send(index, form, f"{project} {version} is {'listed as before' if reason is None else 'withdrawn'}")


def change_status(index: SimpleIndex, project: str, state: str, reason: str) -> int:
    """As ``change``, for the project as a whole."""
    return _send(
        index, {":action": "status", "name": project, "status": state, "reason": reason}, f"{project} is {state}"
    )


def _send(index: SimpleIndex, form: dict[str, str], done: str) -> int:
    try:
        index.change(form)
    except Stopped as error:
        raise Problem(str(error)) from error
    except Failed as error:
        if error.status:
            raise Problem(f"{index.url} answers {error}") from error
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    print(done)
    return DONE
