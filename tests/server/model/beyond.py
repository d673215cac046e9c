"""What is beyond the tasks' network: an index, an issuer of identity tokens, and Secrets Manager."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from pathlib import Path

from secrets_manager import secrets_manager

from .. import issuers
from ..upstream import playing

ISSUER = f"https://{playing.INDEX}/issuer"
_numbers = itertools.count()


class Beyond(ExitStack):
    """`environment` is of tasks that reach it, but for what is preloaded into them."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        certificate = playing.certificate_below(home)
        self.index = playing.Index(certificate)
        self.callback(self.index.stop)
        issuers.publish(self.index, ISSUER, issuers.published(issuers.key()))
        self._manager = self.enter_context(secrets_manager())
        self._arn = self._manager.create(f"tokens{next(_numbers)}", [_publisher()])
        network = playing.World(home / "outside", self.index.port)
        self.environment = {
            **playing.environment(network, certificate[0]),
            **self._manager.environment(TOKENS_SECRET=self._arn),
            **issuers.outside(network, self._manager),
            "AUDIENCE": issuers.AUDIENCE,
            "PRIVATE_NAMES": "acme-*",
        }

    def revoke(self) -> None:
        """The only publisher; tasks notice it within seconds."""
        self._manager.put(self._arn, [])

    def trust(self) -> None:
        """Trust the publisher again, as if it were new."""
        self._manager.put(self._arn, [_publisher()])


def _publisher() -> dict[str, object]:
    """One that may upload the model's own project."""
    return issuers.publisher("release", ISSUER, projects=["model*"], key=f"{next(_numbers)}-".ljust(43, "k"))
