"""The operator's settings, read once from the environment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from .outbound import Outbound
from .policy import Patterns, Policy

HEALTH_PATH = "/health"

Made = TypeVar("Made")


class SettingsError(ValueError):
    """A setting is missing or wrong; the message says which and what to write instead."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """One pair of credentials. A reader lists and downloads; a publisher also uploads."""

    username: str
    password: str
    may_upload: bool

    @cached_property
    def credentials(self) -> set[bytes]:
        """`username:password` in each encoding that clients use: uv sends UTF-8; pip and twine, Latin-1."""
        text = f"{self.username}:{self.password}"
        encodings = {text.encode()}
        with contextlib.suppress(UnicodeEncodeError):
            encodings.add(text.encode("latin-1"))
        return encodings


@dataclass(frozen=True, kw_only=True)
class UpstreamSettings:
    """Of the index that has what is not here."""

    url: str
    outbound: Outbound
    private_names: Patterns
    policy: Policy
    cache_bytes: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All times are in seconds."""

    accounts: tuple[Account, ...]
    packages_directory: Path
    port: int
    workers: int
    threads: int
    stall_timeout: int
    drain_seconds: int
    indexed: bool
    immutable: bool
    fallback_url: str
    upstream: UpstreamSettings | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises SettingsError."""

        def number(name: str, default: int, lowest: int, highest: int) -> int:
            text = environment.get(name) or str(default)
            if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
                raise SettingsError(f"{name} must be a whole number from {lowest} to {highest}, not {text!r}.")
            return int(text)

        def choice(name: str, default: str, other: str) -> str:
            text = environment.get(name) or default
            if text not in (default, other):
                raise SettingsError(f"{name} must be {default} or {other}, not {text!r}.")
            return text

        directory = Path(environment.get("PACKAGES_DIRECTORY") or "/data/packages")
        if not directory.is_absolute():
            raise SettingsError(f"PACKAGES_DIRECTORY must be an absolute path, not {str(directory)!r}.")
        fallback_url = environment.get("FALLBACK_URL", "")
        if fallback_url and not fallback_url.startswith(("https://", "http://")):
            raise SettingsError(f"FALLBACK_URL must be empty or an http(s) URL, not {fallback_url!r}.")
        indexed = choice("PACKAGE_BACKEND", "indexed", "simple-dir") == "indexed"
        upstream = None
        if environment.get("UPSTREAM_URL"):
            if fallback_url:
                raise SettingsError("UPSTREAM_URL and FALLBACK_URL cannot both be set.")
            if not indexed:
                raise SettingsError("UPSTREAM_URL needs PACKAGE_BACKEND=indexed.")
            upstream = _upstream(
                environment,
                least_age_days=number("MIN_RELEASE_AGE_DAYS", 0, 0, 365),
                cache_gib=number("UPSTREAM_CACHE_GIB", 50, 1, 10_000),
            )
        return cls(
            accounts=_accounts(environment),
            packages_directory=directory,
            port=number("PORT", 8080, 1, 65535),
            workers=number("GUNICORN_WORKERS", 1, 1, 64),
            threads=number("THREADS", 128, 1, 900),
            stall_timeout=number("STALL_TIMEOUT", 120, 1, 3600),
            drain_seconds=number("DRAIN_SECONDS", 0, 0, 60),
            indexed=indexed,
            immutable=choice("IMMUTABLE_PACKAGES", "true", "false") == "true",
            fallback_url=fallback_url,
            upstream=upstream,
        )


def _upstream(environment: Mapping[str, str], *, least_age_days: int, cache_gib: int) -> UpstreamSettings:
    def read(name: str, made: Callable[[str], Made]) -> Made:
        try:
            return made(environment.get(name, ""))
        except ValueError as error:
            raise SettingsError(f"{name} is wrong: {error}.") from error

    hosts = environment.get("UPSTREAM_FILE_HOSTS", "files.pythonhosted.org").lower()
    exempt = read("COOLDOWN_EXEMPT_NAMES", Patterns)
    return UpstreamSettings(
        url=environment["UPSTREAM_URL"],
        outbound=read("UPSTREAM_URL", lambda url: Outbound(url, filter(None, map(str.strip, hosts.split(","))))),
        private_names=read("PRIVATE_NAMES", Patterns),
        policy=read("BLOCKED_FILES", lambda text: Policy(least_age_days=least_age_days, exempt=exempt, blocked=text)),
        cache_bytes=cache_gib << 30,
    )


def _accounts(environment: Mapping[str, str]) -> tuple[Account, ...]:
    accounts = []
    for role, may_upload in (("PUBLISHER", True), ("READER", False)):
        username = environment.get(f"{role}_USERNAME", "")
        password = environment.get(f"{role}_PASSWORD", "")
        if not username and not password and not may_upload:
            continue
        if not username or not password:
            raise SettingsError(f"{role}_USERNAME and {role}_PASSWORD must both be set.")
        for part, value in (("USERNAME", username), ("PASSWORD", password)):
            # A password that ends in a line end, or is not UTF-8, would never match.
            if not value.isprintable():
                raise SettingsError(f"{role}_{part} must not contain control characters, nor bytes that are not UTF-8.")
        if ":" in username:
            raise SettingsError(f"{role}_USERNAME must not contain a colon (RFC 7617).")
        accounts.append(Account(username=username, password=password, may_upload=may_upload))
    if len({account.username for account in accounts}) < len(accounts):
        raise SettingsError("PUBLISHER_USERNAME and READER_USERNAME must differ.")
    return tuple(accounts)
