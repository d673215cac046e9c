"""Passwords and tokens as Secrets Manager has them now, read while the server runs. A task asks once for all its processes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from server.accounts.access import CURRENT, PENDING, TOKENS, Access
from server.accounts.account import Account
from server.accounts.secrets_manager import SecretsManager
from server.wire.outbound import Unreachable

log = logging.getLogger("gunicorn.error")

# How often a process looks for what another one has found.
TICK_SECONDS = 1.0
_DIGEST_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Polled:
    """Secrets in Secrets Manager, read again every `seconds`; `arns` by the accounts' roles, or TOKENS."""

    arns: Mapping[str, str]
    endpoint: str
    credentials_url: str
    seconds: int


class Polling:
    """Created before the processes, which share what one of them reads."""

    def __init__(self, polled: Polled, accounts: tuple[Account, ...]) -> None:
        self._manager = SecretsManager(polled.endpoint, polled.credentials_url)
        self._seconds = polled.seconds
        self._arns = polled.arns
        self._accounts = accounts
        self._values: dict[str, dict[str, str | None]] = {}
        self._failing: set[str] = set()
        # In memory, without a name that another program could open.
        self._shared = os.memfd_create("polled")
        self._seen = b""

    def refresh(self) -> None:
        """Read, and share the result. Whatever cannot be read or used stays as it was; this is logged once until it works."""
        for role, arn in self._arns.items():
            try:
                # In this order: between two answers the pending version may become the current one, never the reverse.
                stages = (CURRENT,) if role == TOKENS else (PENDING, CURRENT)
                known = {stage: self._manager.get(arn, stage) for stage in stages}
                Access(self._accounts).take({role: known})
            except (Unreachable, ValueError) as error:
                if role not in self._failing:
                    log.error("%s cannot be read; the last known value stays in use: %s.", arn, error)
                self._failing.add(role)
                continue
            if role in self._failing:
                log.warning("%s can be read again.", arn)
                self._failing.discard(role)
            self._values[role] = known
        content = json.dumps(self._values).encode()
        written = os.pwrite(self._shared, hashlib.sha256(content).digest() + content, 0)
        os.ftruncate(self._shared, written)

    def follow(self, access: Access) -> None:
        """Keep `access` current for ever."""
        leads, due = False, self._next()
        while True:
            try:
                leads = leads or self._lead()
                if leads and time.monotonic() >= due:
                    due = self._next()
                    self.refresh()
                self.bring(access)
            except Exception as error:
                log.error("The secrets cannot be followed: %s.", type(error).__name__)
            time.sleep(TICK_SECONDS)

    def bring(self, access: Access) -> None:
        """Give `access` what was shared last, if it is new. Raises OSError."""
        size = os.fstat(self._shared).st_size
        written = os.pread(self._shared, size, 0)
        digest, content = written[:_DIGEST_BYTES], written[_DIGEST_BYTES:]
        # If it is being written, it is complete a moment later.
        if digest != self._seen and hashlib.sha256(content).digest() == digest:
            self._values = json.loads(content)
            access.take(self._values)
            self._seen = digest

    def _next(self) -> float:
        return time.monotonic() + self._seconds * random.uniform(0.9, 1)

    def _lead(self) -> bool:
        """Whether this process reads for all. The lock ends with the process, and another one takes it."""
        try:
            os.lockf(self._shared, os.F_TLOCK, 0)
        except OSError:
            return False
        return True
