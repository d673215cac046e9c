"""A wrong setting ends the program with a line that names it; that the program does so is one real start's to show."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

from server.accounts.account import Account
from server.accounts.polling import Polled
from server.proxy.policy import Candidate
from server.settings import Settings, SettingsError

from .tasks import PUBLISHER, READER, ROOT, environment_of

WRONG = [
    ("PUBLISHER_PASSWORD", ""),
    ("PUBLISHER_USERNAME", "a:b"),
    ("READER_PASSWORD", ""),
    ("READER_USERNAME", PUBLISHER[0]),
    ("PORT", "http"),
    ("PORT", "65536"),
    ("THREADS", "0"),
    ("IMMUTABLE_PACKAGES", "yes"),
    ("PACKAGES_DIRECTORY", "packages"),
    ("FALLBACK_URL", "pypi.org"),
    ("FALLBACK_URL", "https://beside-an-upstream.test"),
    ("UPSTREAM_URL", "ftp://a"),
    ("UPSTREAM_URL", "https://u:p@a"),
    ("UPSTREAM_URL", "https://a:99999"),
    ("UPSTREAM_FILE_HOSTS", "a..b/"),
    ("COOLDOWN_EXEMPT_NAMES", "a/b"),
    ("PRIVATE_NAMES", "a/b"),
    ("BLOCKED_FILES", "a==x"),
    ("MIN_RELEASE_AGE_DAYS", "366"),
]


def environment(directory: Path, **values: str) -> dict[str, str]:
    return environment_of(directory, 1, **{"UPSTREAM_URL": "https://pypi.test/simple", **values})


def test_these_are_right_but_for_one(directory: Path) -> None:
    assert Settings.from_environment(environment(directory)).upstream


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_named(directory: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(environment(directory, **{name: value}))


def test_every_variable_is_read(directory: Path) -> None:
    numbers = {
        "PORT": 81,
        "GUNICORN_WORKERS": 2,
        "THREADS": 3,
        "STALL_TIMEOUT": 4,
        "DRAIN_SECONDS": 5,
        "RELEASE_OPEN_DAYS": 6,
    }
    given = environment(
        directory,
        **{name: str(number) for name, number in numbers.items()},
        IMMUTABLE_PACKAGES="false",
        AUDIENCE="here",
        UPSTREAM_FILE_HOSTS="files.test,,other.test",
        PRIVATE_NAMES="ours",
        MIN_RELEASE_AGE_DAYS="7",
        COOLDOWN_EXEMPT_NAMES="exempt",
        BLOCKED_FILES="blocked",
        UPSTREAM_CACHE_GIB="9",
    )
    settings = Settings.from_environment(given)
    assert [*settings.accounts] == [
        Account(role="PUBLISHER", username=PUBLISHER[0], password=PUBLISHER[1], may_upload=True),
        Account(role="READER", username=READER[0], password=READER[1], may_upload=False),
    ]
    read = settings.port, settings.workers, settings.threads, settings.stall_timeout, settings.drain_seconds
    assert (*read, settings.release_open_days) == tuple(numbers.values())
    assert (settings.packages_directory, settings.immutable, settings.audience) == (directory, False, "here")
    assert settings.polled is None
    upstream = settings.upstream
    assert upstream
    assert (upstream.url, upstream.cache_bytes) == (given["UPSTREAM_URL"], 9 << 30)
    hosts = ("pypi.test", "files.test", "other.test", "elsewhere.test")
    assert [host for host in hosts if upstream.outbound.split(f"https://{host}/x")] == [*hosts[:3]]
    names = ("ours", "exempt", "blocked", "other")
    assert [name for name in names if name in upstream.private_names] == ["ours"]
    shown = [upstream.policy.shown_from(Candidate(name, Version("1"), "0" * 64, 0.0)) for name in names[1:]]
    assert shown == [-math.inf, math.inf, 7 * 86400]


def test_what_is_not_given_is_as_the_contract_says() -> None:
    for more in (
        {},
        dict.fromkeys(("PORT", "THREADS", "IMMUTABLE_PACKAGES", "PACKAGES_DIRECTORY", "FALLBACK_URL"), ""),
    ):
        settings = Settings.from_environment({"PUBLISHER_USERNAME": "me", "PUBLISHER_PASSWORD": "secret", **more})
        assert settings == Settings(
            accounts=(Account(role="PUBLISHER", username="me", password="secret", may_upload=True),),
            packages_directory=Path("/data/packages"),
            port=8080,
            workers=1,
            threads=128,
            stall_timeout=120,
            drain_seconds=0,
            immutable=True,
            release_open_days=14,
            fallback_url="",
            upstream=None,
            polled=None,
            audience="",
        )
    plain = {"PUBLISHER_USERNAME": "me", "PUBLISHER_PASSWORD": "secret", "FALLBACK_URL": "https://pypi.test/simple"}
    assert Settings.from_environment(plain).fallback_url == plain["FALLBACK_URL"]


def test_secrets_are_read_for_who_is_there_and_passwords_only_if_they_change(directory: Path) -> None:
    roles = ("PUBLISHER", "READER", "TOKENS")
    arns = {role: f"arn:aws:secretsmanager:eu-west-1:1:secret:{role}" for role in roles}
    given = environment(
        directory,
        **{f"{role}_SECRET": arn for role, arn in arns.items()},
        PASSWORD_ROTATION_DAYS="30",
        SECRETS_ENDPOINT="https://secrets.test",
        POLL_SECONDS="7",
        AWS_CONTAINER_CREDENTIALS_FULL_URI="http://full.test/x",
    )

    def polled(**more: str) -> Polled | None:
        return Settings.from_environment({**given, **more}).polled

    every = Polled(arns=arns, endpoint="https://secrets.test", credentials_url="http://full.test/x", seconds=7)
    assert polled() == every
    without_reader = polled(READER_USERNAME="", READER_PASSWORD="")
    assert without_reader == dataclasses.replace(every, arns={role: arns[role] for role in ("PUBLISHER", "TOKENS")})
    assert polled(PASSWORD_ROTATION_DAYS="0") == dataclasses.replace(every, arns={"TOKENS": arns["TOKENS"]})
    assert polled(**{f"{role}_SECRET": "" for role in roles}, SECRETS_ENDPOINT="") is None
    on_a_host = polled(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/v2/x")
    assert on_a_host == dataclasses.replace(every, credentials_url="http://169.254.170.2/v2/x")
    with pytest.raises(SettingsError, match="SECRETS_ENDPOINT must be an http"):
        polled(SECRETS_ENDPOINT="")


@pytest.mark.parametrize(("least", "most", "name"), [(1, 65535, "PORT"), (0, 60, "DRAIN_SECONDS")])
def test_a_number_is_within_its_bounds(directory: Path, least: int, most: int, name: str) -> None:
    for value in (least, most):
        Settings.from_environment(environment(directory, **{name: str(value)}))
    for text in (str(least - 1), str(most + 1), "1.0", " 1", "\u0661", "\xb2"):
        with pytest.raises(SettingsError, match=rf"^{name} must be a whole number from {least} to {most}, not '"):
            Settings.from_environment(environment(directory, **{name: text}))


def test_the_program_ends_with_one_line(newest_image: Path, directory: Path) -> None:
    given = {"PATH": os.defpath, **environment(directory, PORT="http")}
    ended = subprocess.run(
        [newest_image, "-m", "server"], cwd=ROOT, env=given, capture_output=True, text=True, timeout=60, check=False
    )
    (line,) = ended.stderr.splitlines()
    assert line.startswith("pypiserver: PORT must be a whole number")
    assert ended.returncode == 1
