"""Who downloaded a project's files, or what was done under a name: asks CloudWatch Logs Insights about the tasks' log.

docs/server.md describes the log's lines, and the query language is in
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html. No page says in which form
``min(@timestamp)`` is answered: both forms seen are read.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from rich.table import Table

from generator.operations.aws import Account
from generator.operations.exits import DONE, FAILED, Problem
from generator.operations.stacks import get, outputs
from generator.operations.terminal import Terminal
from generator.packages.filenames import version_of

POLL_SECONDS = 1
MOST_ROWS = 10_000
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html"""
_WAITING = ("Scheduled", "Running", "Unknown")
_COUNTED = "stats count(*) as times, min(@timestamp) as first, max(@timestamp) as last by"

Row = dict[str, str]


@dataclass(frozen=True)
class Use:
    """``what`` is ``download`` or ``request``, or the log's word for a change; ``release`` is a version, or a change's file.

    ``address`` is what the load balancer saw; ``user`` is the log's, empty for nobody.
    """

    what: str
    release: str
    user: str
    address: str
    agent: str


@dataclass(frozen=True)
class Uses:
    times: int
    first: datetime
    last: datetime

    def __add__(self, other: Uses) -> Uses:
        return Uses(self.times + other.times, min(self.first, other.first), max(self.last, other.last))


Found = dict[Use, Uses]


class Project:
    """The query for a project, or for one release of it; ``text`` is ``acme`` or ``acme==1.0``. Raises Problem."""

    def __init__(self, text: str) -> None:
        name, equals, version = text.partition("==")
        self.name = canonicalize_name(name.strip())
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", self.name):
            raise Problem(f"{text!r} is no project, nor PROJECT==VERSION")
        self.version = _version(version)
        if equals and not self.version:
            raise Problem(f"{version!r} is no version")
        spelled = self.name.replace("-", "[-_.]+")
        pattern = rf"/(?i)(^|\/){spelled}(-|==|$)/"
        self.question = (
            f'filter (method = "GET" and status < 400 and path like {pattern}) or (ispresent(change) and file like {pattern}) '
            f"| {_COUNTED} user, client, agent, path, change, file | sort last desc"
        )

    def use(self, row: Row) -> Use | None:
        """What a row of the answer says; ``None`` if it is about another project or release, or no file was downloaded."""
        path, change = row.get("path", ""), row.get("change", "")
        file = row.get("file", "") if change else path.rpartition("/")[2]
        if not change and not path.startswith("/packages/"):
            return None
        version = self._version(file)
        if version is None or (self.version and _version(version) != self.version):
            return None
        return _use(row, change or "download", version)

    def _version(self, file: str) -> str | None:
        """Empty for what is not about a release, such as a status; ``None`` for another project's file."""
        name, equals, version = file.partition("==")
        if equals or canonicalize_name(name) == self.name:
            return version if canonicalize_name(name) == self.name else None
        try:
            return version_of(file.removesuffix(".asc"), self.name)
        except ValueError:
            return None


class User:
    """The query for an account, a token or a trusted publisher, by its name. Raises Problem."""

    def __init__(self, name: str) -> None:
        if not re.fullmatch(r"[\w .:@+-]{1,200}", name):
            raise Problem(f"{name!r} is no name in the log: letters, digits, blanks and _.:@+-")
        self.question = (
            f'filter user = "{name}" or user = "__token__:{name}" or user like /^__token__:{re.escape(name)}:/ '
            f"| {_COUNTED} user, client, agent, change, file | sort last desc"
        )

    def use(self, row: Row) -> Use:
        return _use(row, row.get("change") or "request", row.get("file", ""))


def ask(
    account: Account, terminal: Terminal, stack_name: str, asked: Project | User, since: str, *, as_json: bool
) -> int:
    """Print the answer, newest first; the exit code. ``since`` is ``30d`` or ``12h`` before now. Raises Problem."""
    began = datetime.now(UTC) - _before(since)
    group = outputs(get(account, stack_name)).get("TaskLogGroup")
    if not group:
        raise Problem(f"{stack_name} has no output TaskLogGroup yet")
    with terminal.waiting(f"asking the log since {began:%Y-%m-%d %H:%M} UTC …"):
        status, rows = _answer(account, group, asked.question, began)
    if status != "Complete":
        terminal.line(f"the question to {group} is {status}: ask for less by --since", "red")
        return FAILED
    found: Found = {}
    for row in rows:
        if use := asked.use(row):
            uses = Uses(int(float(row["times"])), _moment(row["first"]), _moment(row["last"]))
            found[use] = found[use] + uses if use in found else uses
    if as_json:
        print(json.dumps(list(_plain(found)), indent=2))
    elif found:
        terminal.show(_table(found))
    else:
        terminal.line(f"nobody: the log has nothing of it since {began:%Y-%m-%d %H:%M} UTC")
    if len(rows) >= MOST_ROWS:
        terminal.line(f"the answer is cut at {MOST_ROWS:,} rows, the newest: ask for less by --since", "yellow")
    return DONE


def _answer(account: Account, group: str, question: str, began: datetime) -> tuple[str, list[Row]]:
    """The status in which the query ended, and its rows."""
    logs = account.client("logs")
    query = logs.start_query(
        logGroupName=group,
        startTime=int(began.timestamp()),
        endTime=int(time.time()) + 1,
        queryString=question,
        limit=MOST_ROWS,
    )["queryId"]
    while (answer := logs.get_query_results(queryId=query))["status"] in _WAITING:
        time.sleep(POLL_SECONDS)
    return answer["status"], [{it["field"]: it["value"] for it in row} for row in answer["results"]]


def _use(row: Row, what: str, release: str) -> Use:
    address = row.get("client", "").rpartition(",")[2].strip()
    return Use(what, release, row.get("user", ""), address, row.get("agent", ""))


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _before(since: str) -> timedelta:
    """Raises Problem."""
    found = re.fullmatch(r"([1-9]\d{0,3})([dh])", since)
    if not found:
        raise Problem(f"--since wants days or hours, as 30d or 12h; it is {since!r}")
    return timedelta(days=int(found[1])) if found[2] == "d" else timedelta(hours=int(found[1]))


def _moment(text: str) -> datetime:
    """Milliseconds since 1970, or as ``@timestamp`` is shown."""
    try:
        return datetime.fromtimestamp(float(text) / 1000, UTC)
    except ValueError:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _plain(found: Found) -> Iterator[dict[str, object]]:
    for use, uses in _newest_first(found):
        yield {**asdict(use), "times": uses.times, "first": uses.first.isoformat(), "last": uses.last.isoformat()}


def _newest_first(found: Found) -> list[tuple[Use, Uses]]:
    return sorted(found.items(), key=lambda it: it[1].last, reverse=True)


def _table(found: Found) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("last", "first", "times", "what", "release", "user", "address", "agent"):
        table.add_column(title, overflow="fold", justify="right" if title == "times" else "left")
    for use, uses in _newest_first(found):
        last, first = (f"{it:%Y-%m-%d %H:%M}" for it in (uses.last, uses.first))
        words = (use.what, use.release, use.user or "nobody", use.address, use.agent.partition(" ")[0])
        table.add_row(last, first, str(uses.times), *words)
    return table
