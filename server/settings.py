"""The operator's settings, read once from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from server.accounts.account import Account, require_usable
from server.accounts.polling import Polled
from server.distributions.names import Patterns
from server.proxy.policy import Policy
from server.proxy.upstream import UpstreamSettings
from server.wire.outbound import Outbound

Made = TypeVar("Made")


class SettingsError(ValueError):
    """A setting is missing or wrong; the message says which and what to write instead."""


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
    immutable: bool
    fallback_url: str
    upstream: UpstreamSettings | None
    polled: Polled | None

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
        upstream = None
        if environment.get("UPSTREAM_URL"):
            if fallback_url:
                raise SettingsError("UPSTREAM_URL and FALLBACK_URL cannot both be set.")
            upstream = _upstream(
                environment,
                least_age_days=number("MIN_RELEASE_AGE_DAYS", 0, 0, 365),
                cache_gib=number("UPSTREAM_CACHE_GIB", 50, 1, 10_000),
            )
        accounts = _accounts(environment)
        return cls(
            accounts=accounts,
            packages_directory=directory,
            port=number("PORT", 8080, 1, 65535),
            workers=number("GUNICORN_WORKERS", 1, 1, 64),
            threads=number("THREADS", 128, 1, 900),
            stall_timeout=number("STALL_TIMEOUT", 120, 1, 3600),
            drain_seconds=number("DRAIN_SECONDS", 0, 0, 60),
            immutable=choice("IMMUTABLE_PACKAGES", "true", "false") == "true",
            fallback_url=fallback_url,
            upstream=upstream,
            polled=_polled(environment, accounts, number("POLL_SECONDS", 60, 1, 3600)),
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


def _polled(environment: Mapping[str, str], accounts: tuple[Account, ...], seconds: int) -> Polled | None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"""
    rotates = environment.get("PASSWORD_ROTATION_DAYS", "0") != "0"
    roles = ("TOKENS", *(account.role for account in accounts if rotates))
    arns = {role: arn for role in roles if (arn := environment.get(f"{role}_SECRET"))}
    if not arns:
        return None
    endpoint = environment.get("SECRETS_ENDPOINT", "")
    relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    credentials = (
        f"http://169.254.170.2{relative}" if relative else environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
    )
    if not endpoint.startswith(("https://", "http://")):
        raise SettingsError("SECRETS_ENDPOINT must be an http(s) URL where a secret is named.")
    for role, arn in arns.items():
        if arn.count(":") != 6:
            raise SettingsError(f"{role}_SECRET must be the ARN of a secret, not {arn!r}.")
    return Polled(arns=arns, endpoint=endpoint, credentials_url=credentials, seconds=seconds)


def _accounts(environment: Mapping[str, str]) -> tuple[Account, ...]:
    accounts = []
    for role, may_upload in (("PUBLISHER", True), ("READER", False)):
        username = environment.get(f"{role}_USERNAME", "")
        password = environment.get(f"{role}_PASSWORD", "")
        if not username and not password and not may_upload:
            continue
        try:
            require_usable(role, username, password)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        accounts.append(Account(role=role, username=username, password=password, may_upload=may_upload))
    if len({account.username for account in accounts}) < len(accounts):
        raise SettingsError("PUBLISHER_USERNAME and READER_USERNAME must differ.")
    return tuple(accounts)
