"""Issuers that do not answer: whoever presents their tokens waits, and no number of them holds a thread."""

from __future__ import annotations

import socket
from threading import Event

import pytest

from server.accounts.issuers import Issuers
from server.wire.calls import TakesLong


def test_of_any_number_who_wait_for_an_issuer_so_many_do_and_others_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = Event()

    def never(*_: object, **__: object) -> list[object]:
        answered.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    issuers = Issuers()
    waiting = [issuers.asked(f"https://{number}.example", "key") for number in range(64)]
    refused = issuers.asked("https://65.example", "key")
    try:
        assert refused
        assert refused.done()
        assert isinstance(refused.exception(), TakesLong)
        assert not any(it.done() for it in waiting if it)
        assert all(waiting)
    finally:
        answered.set()
