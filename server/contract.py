"""What the program and whoever starts it agree on: its variables, and a few facts about its container.

The program reads its environment by it; the form, the task definition and the table in docs/server.md are generated
from it. It imports nothing of the project.
"""

from __future__ import annotations

from dataclasses import dataclass

HEALTH_PATH = "/health"
# Of pypiserver/pypiserver, the first whose gunicorn does not let requests be smuggled.
IMAGE_TAG = "v2.4.2"
# User and group that the pypiserver image creates, and owner of the packages; other images run as this user, too:
# https://github.com/pypiserver/pypiserver/blob/master/Dockerfile
USER_ID = "9898"


@dataclass(frozen=True)
class Text:
    """A value that `pattern` must match as a whole; `form` says it in words. An empty value that does not match means the default."""

    name: str
    default: str
    pattern: str
    form: str
    meaning: str = ""


@dataclass(frozen=True)
class Number:
    """A whole number within both bounds."""

    name: str
    default: int
    least: int
    most: int
    meaning: str = ""

    @property
    def form(self) -> str:
        return f"a whole number from {self.least} to {self.most}"


@dataclass(frozen=True)
class Account:
    """One of the two accounts, by the prefix of its variables."""

    role: str
    meaning: str

    @property
    def username(self) -> str:
        return f"{self.role}_USERNAME"

    @property
    def password(self) -> str:
        return f"{self.role}_PASSWORD"

    @property
    def secret(self) -> Text:
        return _secret(f"{self.role}_SECRET", "of the account, re-read while the server runs")


def _secret(name: str, meaning: str) -> Text:
    return Text(name, "", "(arn:([^:]*:){5}[^:]*)?", "the ARN of a secret, or empty", meaning)


def _names(name: str, most: int) -> Text:
    form = f"names of projects separated by commas, at most {most} characters, or empty"
    return Text(name, "", f"[A-Za-z0-9*._,-]{{0,{most}}}", form)


PUBLISHER = Account("PUBLISHER", "uploads, lists and downloads; required")
READER = Account("READER", "lists and downloads")
PACKAGES_DIRECTORY = Text("PACKAGES_DIRECTORY", "/data/packages", "/.*", "an absolute path")
PORT = Number("PORT", 8080, 1, 65535)
GUNICORN_WORKERS = Number("GUNICORN_WORKERS", 1, 1, 16, "processes")
THREADS = Number(
    "THREADS",
    128,
    1,
    900,
    "in each process: half for uploads in progress, a third for work on the storage, the rest for answers that need neither",
)
IMMUTABLE_PACKAGES = Text(
    "IMMUTABLE_PACKAGES", "true", "true|false", "true or false", "`false`: files can be replaced and removed"
)
RELEASE_OPEN_DAYS = Number(
    "RELEASE_OPEN_DAYS",
    14,
    0,
    3650,
    "how long a release accepts files after its first; [0: always](server.md#closed-releases)",
)
FALLBACK_URL = Text(
    "FALLBACK_URL",
    "",
    r'(https?://[!"$->@-~]{1,247})?',
    "the URL of a simple index of at most 255 characters, e.g. https://pypi.org/simple, or empty",
    "where clients are sent for projects that are not here",
)
UPSTREAM_URL = Text(
    "UPSTREAM_URL",
    "",
    "(https?://[A-Za-z0-9.:/_~-]{1,120})?",
    "the URL of a simple index of at most 128 characters, without credentials, e.g. https://pypi.org/simple, or empty",
    "for this and the next six, see [upstream.md](upstream.md)",
)
UPSTREAM_FILE_HOSTS = Text(
    "UPSTREAM_FILE_HOSTS",
    "files.pythonhosted.org",
    "([a-z0-9][a-z0-9.,-]{0,127})?",
    "names of hosts separated by commas, at most 128 characters, or empty",
)
PRIVATE_NAMES = _names("PRIVATE_NAMES", 400)
MIN_RELEASE_AGE_DAYS = Number("MIN_RELEASE_AGE_DAYS", 0, 0, 365)
COOLDOWN_EXEMPT_NAMES = _names("COOLDOWN_EXEMPT_NAMES", 128)
BLOCKED_FILES = Text(
    "BLOCKED_FILES",
    "",
    "[A-Za-z0-9*._,:=!+-]{0,400}",
    "names, name==version or sha256:digest separated by commas, at most 400 characters, or empty",
)
UPSTREAM_CACHE_GIB = Number("UPSTREAM_CACHE_GIB", 50, 1, 9999)
PASSWORD_ROTATION_DAYS = Text(
    "PASSWORD_ROTATION_DAYS",
    "0",
    "0|[7-9]|[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-5]",
    "0, or a whole number from 7 to 365",
    "unless 0, `PUBLISHER_SECRET` and `READER_SECRET` are read, [for new passwords](security.md#new-passwords-on-a-schedule)",
)
TOKENS_SECRET = _secret("TOKENS_SECRET", "with [tokens](tokens.md), also re-read")
AUDIENCE = Text(
    "AUDIENCE",
    "",
    "[A-Za-z0-9*._-]{0,255}",
    "a name of this index, or empty",
    "the audience of [CI's identity tokens](ci.md), with publishers in `TOKENS_SECRET`; without it, nobody is trusted",
)
SECRETS_ENDPOINT = Text(
    "SECRETS_ENDPOINT",
    "",
    "(https?://.+)?",
    "an http(s) URL",
    "of Secrets Manager, required if a secret is named",
)
POLL_SECONDS = Number("POLL_SECONDS", 60, 1, 3600, "between reads of the secrets, by one process for all")
STALL_TIMEOUT = Number(
    "STALL_TIMEOUT",
    120,
    1,
    3600,
    "seconds without progress after which a client is cut off; an upload must arrive at 1 KiB/s after that time",
)
DRAIN_SECONDS = Number(
    "DRAIN_SECONDS",
    0,
    0,
    60,
    "how long a stopping server still accepts requests, as the load balancer sends some",
)
ALL = (
    PUBLISHER,
    READER,
    PACKAGES_DIRECTORY,
    PORT,
    GUNICORN_WORKERS,
    THREADS,
    IMMUTABLE_PACKAGES,
    RELEASE_OPEN_DAYS,
    FALLBACK_URL,
    UPSTREAM_URL,
    UPSTREAM_FILE_HOSTS,
    PRIVATE_NAMES,
    MIN_RELEASE_AGE_DAYS,
    COOLDOWN_EXEMPT_NAMES,
    BLOCKED_FILES,
    UPSTREAM_CACHE_GIB,
    PASSWORD_ROTATION_DAYS,
    PUBLISHER.secret,
    READER.secret,
    TOKENS_SECRET,
    AUDIENCE,
    SECRETS_ENDPOINT,
    POLL_SECONDS,
    STALL_TIMEOUT,
    DRAIN_SECONDS,
)
