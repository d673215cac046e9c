"""An index, such as PyPI, for projects that are not here."""

from __future__ import annotations

from generator.language.wiring import Group
from generator.settings.values import of_server
from server import contract

UPSTREAM_URL = of_server(
    contract.UPSTREAM_URL,
    name="UpstreamUrl",
    label="Index for projects that are not hosted here",
    description="e.g. https://pypi.org/simple, which tasks fetch files from and keep: their subnets need a route there. Read docs/upstream.md first. Empty: none.",
)
UPSTREAM_FILE_HOSTS = of_server(
    contract.UPSTREAM_FILE_HOSTS,
    name="UpstreamFileHosts",
    label="Hosts of its files",
    description="Separated by commas; nothing is fetched from other hosts, except that of UpstreamUrl.",
)
PRIVATE_NAMES = of_server(
    contract.PRIVATE_NAMES,
    name="PrivateNames",
    label="Names never requested from it",
    description="In addition to all projects that have, or had, a file here. Separated by commas; * stands for any characters, e.g. acme-*.",
)
MIN_RELEASE_AGE_DAYS = of_server(
    contract.MIN_RELEASE_AGE_DAYS,
    name="MinReleaseAgeDays",
    label="Minimum age of its files (days)",
    description=f"{contract.MIN_RELEASE_AGE_DAYS.least} to {contract.MIN_RELEASE_AGE_DAYS.most}: younger files are hidden, as if they did not exist yet. 0: none is.",
)
COOLDOWN_EXEMPT_NAMES = of_server(
    contract.COOLDOWN_EXEMPT_NAMES,
    name="CooldownExemptNames",
    label="Names exempt from the minimum age",
    description="Separated by commas, as PrivateNames.",
)
BLOCKED_FILES = of_server(
    contract.BLOCKED_FILES,
    name="BlockedFiles",
    label="Blocked files",
    description="Separated by commas: names as in PrivateNames, name==version, sha256:digest. They are not served even if a task has them.",
)
UPSTREAM_CACHE_GIB = of_server(
    contract.UPSTREAM_CACHE_GIB,
    name="UpstreamCacheGib",
    label="Space for its files (GiB)",
    description=f"{contract.UPSTREAM_CACHE_GIB.least} to {contract.UPSTREAM_CACHE_GIB.most}: the least recently used files are removed first, and any not used for 90 days.",
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
