"""An index, PyPI for one, that has the projects which are not here."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import optional

_NAMES = r"[A-Za-z0-9*._,-]{1,%d}"

UPSTREAM_URL = Setting(
    name="UpstreamUrl",
    label="Index for projects that are not here",
    description="e.g. https://pypi.org/simple, which tasks fetch from and keep: their subnets need a route there. Read docs/upstream.md before. Empty: none.",
    default="",
    pattern=optional(r"https?://[A-Za-z0-9.:/_~-]{1,120}"),
    constraint="must be the URL of a simple index of at most 128 characters, without credentials, e.g. https://pypi.org/simple, or empty",
)
UPSTREAM_FILE_HOSTS = Setting(
    name="UpstreamFileHosts",
    label="Hosts of its files",
    description="Separated by commas; beside the host of UpstreamUrl, nothing is fetched from others.",
    default="files.pythonhosted.org",
    pattern=optional(r"[a-z0-9][a-z0-9.,-]{0,127}"),
    constraint="must be names of hosts separated by commas, at most 128 characters, or empty",
)
PRIVATE_NAMES = Setting(
    name="PrivateNames",
    label="Names that are never asked for there",
    description="Beside those of all projects that have, or had, a file here. Separated by commas; * stands for any characters, e.g. acme-*.",
    default="",
    pattern=optional(_NAMES % 400),
    constraint="must be names of projects separated by commas, at most 400 characters, or empty",
)
MIN_RELEASE_AGE_DAYS = Setting(
    name="MinReleaseAgeDays",
    label="Least age of its files (days)",
    description="0 to 365: younger files are hidden, as if they did not exist yet. 0: none is.",
    default="0",
    pattern="^([0-9]|[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-5])$",
    constraint="must be a whole number from 0 to 365",
)
COOLDOWN_EXEMPT_NAMES = Setting(
    name="CooldownExemptNames",
    label="Names without a least age",
    description="Separated by commas, as PrivateNames.",
    default="",
    pattern=optional(_NAMES % 128),
    constraint="must be names of projects separated by commas, at most 128 characters, or empty",
)
BLOCKED_FILES = Setting(
    name="BlockedFiles",
    label="Files of it that are not served",
    description="Separated by commas: names as in PrivateNames, name==version, sha256:digest. They are not served even if a task has them.",
    default="",
    pattern=optional(r"[A-Za-z0-9*._,:=!+-]{1,400}"),
    constraint="must be names, name==version or sha256:digest separated by commas, at most 400 characters, or empty",
)
UPSTREAM_CACHE_GIB = Setting(
    name="UpstreamCacheGib",
    label="Space for its files (GiB)",
    description="1 to 9999: what was used longest ago is removed, and what was not used for 90 days.",
    default="50",
    pattern="^[1-9][0-9]{0,3}$",
    constraint="must be a whole number from 1 to 9999",
)

UPSTREAM = Group(
    "Upstream",
    (
        UPSTREAM_URL,
        UPSTREAM_FILE_HOSTS,
        PRIVATE_NAMES,
        MIN_RELEASE_AGE_DAYS,
        COOLDOWN_EXEMPT_NAMES,
        BLOCKED_FILES,
        UPSTREAM_CACHE_GIB,
    ),
)
