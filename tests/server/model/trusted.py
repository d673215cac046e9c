"""Jobs that publish without a password: what is exchanged for a token, and what that is worth, at every task."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from ..issuers import BURN, MINT, by, claims_of, key, sent_by, signed
from ..tasks import Task, becomes, sdist
from .beyond import ISSUER
from .machine import CONTENTS, RELEASES, TASKS, Project, numbers

MINTED_SECONDS = 900
# What is wrong with an identity token.
CLAIMS: dict[str, dict[str, object]] = {
    "nothing": {},
    "key": {},
    "expired": {"exp": 0},
    "audience": {"aud": "pypi"},
    "repository": {"repository": "evil/acme", "repository_id": "9"},
    "proposal": {"event_name": "pull_request"},
}
WRONG = st.sampled_from(["nothing"] * 5 + list(CLAIMS))


@dataclass
class Token:
    """`until` is the time at which it ends, in seconds since 1970."""

    text: str
    until: float
    is_revoked: bool = False


class Trusted(Project):
    @initialize()
    def begin_trusted(self) -> None:
        self.exchanged: list[str] = []
        self.tokens: list[Token] = []
        self.exchange(0, "nothing")

    @rule(task=TASKS, wrong=WRONG)
    def exchange(self, task: int, wrong: str) -> None:
        identity = signed(self._claims(task, **CLAIMS[wrong]), key("attacker") if wrong == "key" else None)
        answer = sent_by(self.world.tasks[task], MINT, identity)
        assert answer.status_code == (200 if wrong == "nothing" else 422), (wrong, answer.text)
        if wrong == "nothing":
            self.exchanged.append(identity)
            self.tokens.append(Token(answer.json()["token"], self.world.at(task) + MINTED_SECONDS))

    @rule(task=TASKS, number=st.integers(0, 3))
    def exchange_again(self, task: int, number: int) -> None:
        identity = self.exchanged[number % len(self.exchanged)]
        assert sent_by(self.world.tasks[task], MINT, identity).status_code == 422

    @rule(task=TASKS, number=st.integers(0, 3), version=RELEASES, content=CONTENTS)
    def use(self, task: int, number: int, version: str, content: int) -> None:
        """For its project, for another, and for what no token may."""
        token = self.tokens[number % len(self.tokens)]
        at, account = self.world.tasks[task], by(token.text)
        answers = [
            at.get(f"/simple/{self.project}/", account),
            at.get("/simple/other/", account),
            at.upload(*sdist("other", "1.0"), account=account),
        ]
        if self._is_valid(token, task):
            assert [it.status_code for it in answers] == [200 if self.files else 404, 403, 403]
            assert self._change(task, "yank", account, version=version) == 403
            self.upload(task, version, content, False, account)
        else:
            # That a token is burnt only the storage knows, which is not asked of a project that is not the token's.
            assert [it.status_code for it in answers] in ([401] * 3, [401, 403, 401])
            assert at.upload(*self._file(version, content), account=account).status_code == 401

    @rule(task=TASKS, number=st.integers(0, 3))
    def burn(self, task: int, number: int) -> None:
        token = self.tokens[number % len(self.tokens)]
        assert sent_by(self.world.tasks[task], BURN, token.text).status_code == 202
        if self._is_valid(token, task):
            token.is_revoked = True

    @precondition(lambda self: self.steps % 6 == 5)
    @rule()
    def revoke(self) -> None:
        """The publisher, and trust it again: what it was given before is worth nothing."""
        self.world.beyond.revoke()
        self._await("invalid-publisher")
        self.world.beyond.trust()
        self._await("invalid-token")
        for token in self.tokens:
            token.is_revoked = True

    def _await(self, code: str) -> None:
        """What an identity token without its issuer's signature is told, at every task."""
        for number, task in enumerate(self.world.tasks):

            def told(number: int = number, task: Task = task) -> object:
                unproved = signed(self._claims(number), key("attacker"))
                return sent_by(task, MINT, unproved).json()["errors"][0]["code"]

            becomes(code, told)

    def _claims(self, task: int, **more: object) -> dict[str, object]:
        """Of a job whose clock is the task's."""
        now = int(self.world.at(task))
        return claims_of(ISSUER, **{"iat": now, "nbf": now, "exp": now + 300, "jti": f"job-{next(numbers)}", **more})

    def _is_valid(self, token: Token, task: int) -> bool:
        return not token.is_revoked and self.world.at(task) < token.until
