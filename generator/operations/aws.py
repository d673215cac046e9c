"""The account that a command works in, and AWS's errors in words for whoever must act."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import boto3  # type: ignore[import-untyped] # boto3 has no types
from botocore.config import Config  # type: ignore[import-untyped] # nor has botocore
from botocore.exceptions import (  # type: ignore[import-untyped] # see above
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
)

__all__ = ["Account", "BotoCoreError", "Client", "ClientError", "Problem", "code", "explain"]

Client: TypeAlias = Any
"""A boto3 client, whose operations are made at run time."""

_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN = ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_THROTTLED = ("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


class Problem(Exception):
    """What is wrong, where, and what to do, in one line; nothing was changed on its account."""


@dataclass(frozen=True)
class Account:
    """Credentials and region by the usual AWS chain; ``endpoint_url`` is for an emulator.

    Raises botocore's ProfileNotFound and NoRegionError where the chain yields nothing.
    """

    profile: str | None = None
    region_name: str | None = None
    endpoint_url: str | None = None

    @cached_property
    def _session(self) -> Any:
        return boto3.Session(profile_name=self.profile, region_name=self.region_name)

    @cached_property
    def _clients(self) -> dict[str, Client]:
        return {}

    @property
    def region(self) -> str:
        if self._session.region_name is None:
            raise NoRegionError()
        return str(self._session.region_name)

    @property
    def partition(self) -> str:
        return str(self._session.get_partition_for_region(self.region))

    @property
    def url_suffix(self) -> str:
        """``AWS::URLSuffix`` of the region."""
        return {"aws-cn": "amazonaws.com.cn"}.get(self.partition, "amazonaws.com")

    @property
    def options(self) -> list[str]:
        """These choices as options of the AWS CLI."""
        given = {"--profile": self.profile, "--region": self.region, "--endpoint-url": self.endpoint_url}
        return [word for option, value in given.items() if value for word in (option, value)]

    def client(self, service: str) -> Client:
        """Throttled and failed requests are repeated, up to ten times."""
        if service not in self._clients:
            retries = Config(retries={"mode": "standard", "total_max_attempts": 10})
            options = {"region_name": self.region, "endpoint_url": self.endpoint_url, "config": retries}
            self._clients[service] = self._session.client(service, **options)
        return self._clients[service]


def code(error: Any) -> str:
    """The error code of a ClientError, e.g. ``AccessDenied``."""
    return str(error.response["Error"]["Code"])


def explain(error: Any) -> str:
    """One line for a ClientError or BotoCoreError: what failed, and what to do."""
    if isinstance(error, NoCredentialsError):
        return "no AWS credentials: run `aws configure`, `aws sso login`, or choose a --profile"
    if isinstance(error, NoRegionError):
        return "no region: add --region, or set AWS_REGION"
    if isinstance(error, EndpointConnectionError):
        return f"{error}: look at the region, the endpoint and the network"
    if not isinstance(error, ClientError):
        return " ".join(str(error).split())
    message = " ".join(str(error.response["Error"].get("Message", "")).split())
    match code(error):
        case name if name in _EXPIRED:
            return f"the AWS credentials have expired ({error.operation_name}): get new ones, e.g. by `aws sso login`"
        case name if name in _UNKNOWN:
            return f"AWS does not know these credentials ({name}): look at the profile, the region and the clock"
        case name if name in _THROTTLED:
            return f"AWS throttles {error.operation_name} even after ten attempts: wait a minute, then run this again"
        case name if name in _DENIED:
            return f"these credentials may not {error.operation_name}: {message or 'access denied'}"
        case name:
            return f"{error.operation_name}: {message or name}"
