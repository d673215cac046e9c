"""The table "Works with" of docs/clients.md: what a client made of the releases, and why it is not all of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from .matrix import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
HEAD = (
    "| Client | Python | Outcome | netrc | keyring | Cold requests | Warm requests | Why |\n"
    "|---|---|---|---|---|---|---|---|\n"
)
_TABLE = re.compile(r"(?<=<!-- works -->\n).*?(?=<!-- /works -->)", re.DOTALL)
# Whose fault it is: by client, what is missing or other, and the first version that does better, if there is one.
RELEASES = {
    ("pip", "acme-yanked", (19, 2)): "takes what is withdrawn: PEP 592 came with 19.2",
    ("PDM", "acme-local", None): "locks 1.0+abc.1 as 1.0, with the right file",
    ("twine", "acme-sdist-1.0.tar.gz", (4, 0)): "knows no metadata of version 2.2",
}
# By client and status of the answers.
STATUSES = {
    ("uv", 401): "asks without the password first",
    ("hatch", 401): "looks without the password for what is there already",
    ("hatch", 404): "looks under devpi's `+simple/` for what is there already",
    ("pipenv", 400): "asks for `/simple//NAME/` first, if the address ends in a slash",
    ("Pulp", 405): "tries XML-RPC first, as PyPI once had it",
}
UNKNOWN = "not explained"


def line(label: str, python: str, cold: Outcome, warm: Outcome, netrc: bool | None, keyring: bool | None) -> str:
    words = {None: "", True: "yes", False: "no"}
    requests = (statuses(cold.answers), statuses(warm.answers) or "none")
    cells = (
        label,
        python,
        outcome(cold, warm),
        words[netrc],
        words[keyring],
        *requests,
        "; ".join(why(label, cold, warm)),
    )
    return f"| {' | '.join(cells)} |\n"


def outcome(cold: Outcome, warm: Outcome) -> str:
    if len(cold.wrong) > 5:
        return f"nothing: {cold.output.strip().splitlines()[-1][:120] if cold.output.strip() else 'no output'}"
    lacking = ", ".join(f"{name} ({instead})" for name, instead in cold.wrong.items())
    again = "" if warm.wrong == cold.wrong else "; with a warm cache something else"
    return (f"all but {lacking}" if lacking else "all") + again


def why(label: str, cold: Outcome, warm: Outcome) -> list[str]:
    """A reason for each release that is not as it should be, each refusal, and an outcome that is not the same again."""
    client, _, version = label.partition(" ")
    release = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    known = {
        name: said
        for (who, name, since), said in RELEASES.items()
        if who == client and (since is None or release < since)
    }
    refused = [status for status in sorted(cold.answers) if status >= 400]
    said = [known.get(name, UNKNOWN) for name in cold.wrong] + [STATUSES.get((client, it), UNKNOWN) for it in refused]
    return said + [UNKNOWN] * (warm.wrong != cold.wrong)


def statuses(answers: Counter[int]) -> str:
    return ", ".join(f"{count} of {status}" for status, count in sorted(answers.items()))


def put(label: str, written: str, labels: Iterable[str]) -> None:
    """A client's line into the page, among the others' in the order of the labels."""
    text = PAGE.read_text()
    (table,) = _TABLE.findall(text)
    kept = {match[1]: match[0] for match in re.finditer(r"\| ([^|]+?) \|.*\n", table)} | {label: written}
    PAGE.write_text(_TABLE.sub(lambda _: HEAD + "".join(kept[it] for it in labels if it in kept), text))
