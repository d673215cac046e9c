"""The operator's settings, read once from the environment as contract.py says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from server import contract
from server.accounts.access import TOKENS
from server.accounts.account import Account, require_usable
from server.accounts.polling import Polled
from server.distributions.names import Patterns
from server.proxy.policy import Policy
from server.proxy.upstream import UpstreamSettings
from server.wire.outbound import Outbound

Made = TypeVar("Made")
Environment = Mapping[str, str]


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
    release_open_days: int
    fallback_url: str
    upstream: UpstreamSettings | None
    polled: Polled | None
    audience: str

    @classmethod
    def from_environment(cls, environment: Environment) -> Settings:
        """Raises SettingsError."""
        accounts = _accounts(environment)
        return cls(
            accounts=accounts,
            packages_directory=Path(_text(environment, contract.PACKAGES_DIRECTORY)),
            port=number(environment, contract.PORT),
            workers=number(environment, contract.GUNICORN_WORKERS),
            threads=number(environment, contract.THREADS),
            stall_timeout=number(environment, contract.STALL_TIMEOUT),
            drain_seconds=number(environment, contract.DRAIN_SECONDS),
            immutable=_text(environment, contract.IMMUTABLE_PACKAGES) == "true",
            release_open_days=number(environment, contract.RELEASE_OPEN_DAYS),
            fallback_url=_text(environment, contract.FALLBACK_URL),
            upstream=_upstream(environment),
            polled=_polled(environment, accounts),
            audience=_text(environment, contract.AUDIENCE),
        )


def _text(environment: Environment, it: contract.Text) -> str:
    value = environment.get(it.name, it.default)
    if not re.fullmatch(it.pattern, value):
        if value:
            raise SettingsError(f"{it.name} must be {it.form}, not {value!r}.")
        return it.default
    return value


def number(environment: Environment, it: contract.Number) -> int:
    """What the environment says about ``it``, or its default. Raises SettingsError."""
    text = environment.get(it.name) or str(it.default)
    if not text.isascii() or not text.isdigit() or not it.least <= int(text) <= it.most:
        raise SettingsError(f"{it.name} must be {it.form}, not {text!r}.")
    return int(text)


def _upstream(environment: Environment) -> UpstreamSettings | None:
    """What a pattern cannot check is checked where it is used: an address, names and versions."""

    def read(it: contract.Text, made: Callable[[str], Made]) -> Made:
        try:
            return made(_text(environment, it))
        except ValueError as error:
            raise (
                error if isinstance(error, SettingsError) else SettingsError(f"{it.name} is wrong: {error}.")
            ) from error

    url = _text(environment, contract.UPSTREAM_URL)
    if not url:
        return None
    if _text(environment, contract.FALLBACK_URL):
        raise SettingsError("UPSTREAM_URL and FALLBACK_URL cannot both be set.")
    hosts = [host for host in _text(environment, contract.UPSTREAM_FILE_HOSTS).split(",") if host]
    least_age_days = number(environment, contract.MIN_RELEASE_AGE_DAYS)
    exempt = read(contract.COOLDOWN_EXEMPT_NAMES, Patterns)
    return UpstreamSettings(
        url=url,
        outbound=read(contract.UPSTREAM_URL, lambda text: Outbound(text, hosts)),
        private_names=read(contract.PRIVATE_NAMES, Patterns),
        policy=read(
            contract.BLOCKED_FILES, lambda text: Policy(least_age_days=least_age_days, exempt=exempt, blocked=text)
        ),
        cache_bytes=number(environment, contract.UPSTREAM_CACHE_GIB) << 30,
    )


def _polled(environment: Environment, accounts: tuple[Account, ...]) -> Polled | None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"""
    secrets = {TOKENS: contract.TOKENS_SECRET}
    if _text(environment, contract.PASSWORD_ROTATION_DAYS) != "0":
        roles = {account.role for account in accounts}
        secrets |= {it.role: it.secret for it in (contract.PUBLISHER, contract.READER) if it.role in roles}
    arns = {role: arn for role, it in secrets.items() if (arn := _text(environment, it))}
    seconds = number(environment, contract.POLL_SECONDS)
    if not arns:
        return None
    endpoint = _text(environment, contract.SECRETS_ENDPOINT)
    if not endpoint:
        raise SettingsError(
            f"{contract.SECRETS_ENDPOINT.name} must be {contract.SECRETS_ENDPOINT.form} where a secret is named."
        )
    # For a task on hosts, and for one on Fargate or elsewhere.
    relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    credentials = (
        f"http://169.254.170.2{relative}" if relative else environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
    )
    return Polled(arns=arns, endpoint=endpoint, credentials_url=credentials, seconds=seconds)


def _accounts(environment: Environment) -> tuple[Account, ...]:
    accounts = []
    for it in (contract.PUBLISHER, contract.READER):
        username, password = environment.get(it.username, ""), environment.get(it.password, "")
        may_upload = it is contract.PUBLISHER
        if not username and not password and not may_upload:
            continue
        try:
            require_usable(it.role, username, password)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        accounts.append(Account(role=it.role, username=username, password=password, may_upload=may_upload))
    if len({account.username for account in accounts}) < len(accounts):
        raise SettingsError("PUBLISHER_USERNAME and READER_USERNAME must differ.")
    return tuple(accounts)
