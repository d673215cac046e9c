"""A project's releases, and which of them installers choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from server.distributions.listed import order_of, package_at
from server.store.kept import Details
from server.store.yanks import reason_of
from server.views.listings import Listing

Files = list[tuple[str, Details]]


def releases_of(listing: Listing, limit: int | None = None) -> dict[str, Files]:
    """The files of each release, without signatures; releases and files newest first, at most `limit` files in all."""
    found: dict[str, Files] = {}
    newest = (file for file in reversed(listing.files) if not file[0].endswith(".asc"))
    for path, details in islice(newest, limit):
        found.setdefault(package_at(path).version, []).append((path, details))
    return found


def latest_of(versions: Iterable[str], yanks: Mapping[str, str]) -> str | None:
    """As pip chooses from `versions`, newest first: pre-releases and yanked releases only if there is nothing else."""
    return min(versions, key=lambda it: (reason_of(yanks, it) is not None, not _is_final(it)), default=None)


def described_by(files: Files) -> tuple[str, Details]:
    """The file whose metadata represents a release: preferably a wheel's, as it is faster to read than a source distribution's."""
    return min(files, key=lambda file: not file[0].endswith(".whl"))


def _is_final(version: str) -> bool:
    is_version, parsed, _ = order_of(version)
    return is_version and not parsed.is_prerelease
