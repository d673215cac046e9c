"""The account that a command works in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import boto3  # type: ignore[import-untyped] # boto3 has no types
from botocore.config import Config  # type: ignore[import-untyped] # nor has botocore
from botocore.exceptions import NoRegionError  # type: ignore[import-untyped] # see above

from generator.language.partitions import URL_SUFFIXES
from generator.operations.errors import refuse_web_pages
from generator.operations.exits import Problem

Client: TypeAlias = Any
"""A boto3 client, whose operations are made at run time."""
_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Account:
    """Credentials and region from the usual AWS chain; ``endpoint_url`` is for an emulator.

    AWS_REGION takes precedence over AWS_DEFAULT_REGION, as in the AWS CLI 2; boto3 knows only the second.
    https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html

    Raises botocore's ProfileNotFound and NoRegionError if the chain yields nothing.
    """

    profile: str | None = None
    region_name: str | None = None
    endpoint_url: str | None = None

    @cached_property
    def _session(self) -> Any:
        region = self.region_name or os.environ.get("AWS_REGION") or None
        return boto3.Session(profile_name=self.profile, region_name=region)

    @cached_property
    def _clients(self) -> dict[str, Client]:
        return {}

    @property
    def region(self) -> str:
        if not self._session.region_name:
            raise NoRegionError()
        return str(self._session.region_name)

    @property
    def partition(self) -> str:
        return str(self._session.get_partition_for_region(self.region))

    @property
    def url_suffix(self) -> str:
        """``AWS::URLSuffix`` of the region."""
        return URL_SUFFIXES.get(self.partition, "amazonaws.com")

    @cached_property
    def number(self) -> str:
        """The account's twelve digits."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @property
    def options(self) -> list[str]:
        """These choices as options of the AWS CLI, and of the commands here."""
        given = {"--profile": self.profile, "--region": self.region, "--endpoint-url": self.endpoint_url}
        return [word for option, value in given.items() if value for word in (option, value)]

    def client(self, service: str) -> Client:
        """Throttled and failed requests are repeated, up to ten times."""
        if service not in self._clients:
            config = Config(retries={"mode": "standard", "total_max_attempts": 10}, connect_timeout=_CONNECT_SECONDS)
            try:
                client = self._session.client(
                    service, region_name=self.region, endpoint_url=self.endpoint_url, config=config
                )
            except ValueError as error:
                # botocore's own check for an impossible endpoint or region.
                raise Problem(f"{error}: check --endpoint-url and --region") from error
            client.meta.events.register("before-parse", refuse_web_pages)
            self._clients[service] = client
        return self._clients[service]
