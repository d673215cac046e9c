"""Versions of the Service Catalog product: each is a template that never changes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from generator.operations.aws import Account, Client
from generator.operations.bucket import own_bucket
from generator.operations.exits import Problem
from generator.operations.publish import publish
from generator.operations.stacks import find, outputs
from generator.operations.terminal import Terminal
from generator.parts.descriptions import SERVICE_CATALOG


def publish_version(
    account: Account,
    terminal: Terminal,
    templates: Path,
    *,
    bucket: str | None,
    prefix: str,
    stack_name: str,
    version: str,
    yes: bool,
) -> None:
    """Upload the single file and add it to the product as ``version``.

    The product is the one of the stack ``stack_name``; ``bucket`` ``None``: the account's own. Older versions still launch,
    but are marked DEPRECATED. Raises Problem if the version exists, if there is no product, or if Service Catalog refuses
    the template; Declined if the operator refuses to create a bucket.
    """
    stack = find(account, stack_name, [SERVICE_CATALOG])
    product = outputs(stack or {}).get("ProductId")
    if product is None:
        missing = "has no product" if stack else f"does not exist in {account.region}"
        raise Problem(
            f"the stack {stack_name} {missing}: deploy templates/service-catalog.yaml first, as docs/service-catalog.md "
            "says, or give its --stack-name"
        )
    service = account.client("servicecatalog")
    older = service.list_provisioning_artifacts(ProductId=product)["ProvisioningArtifactDetails"]
    if version in [it["Name"] for it in older]:
        raise Problem(f"{product} has a version {version} already, and a version never changes: choose another name")
    bucket = bucket or own_bucket(account, terminal, make=True, yes=yes)
    published = publish(account, terminal, templates, bucket, prefix)
    url = published.publisher.url(published.single)
    created = service.create_provisioning_artifact(
        ProductId=product,
        Parameters={
            "Name": version,
            "Info": {"LoadTemplateFromURL": url},
            "Type": "CLOUD_FORMATION_TEMPLATE",
        },
        IdempotencyToken=f"{version}-{url.split('/')[-2]}",
    )["ProvisioningArtifactDetail"]["Id"]
    _wait(service, product, created)
    current = [it for it in older if it.get("Guidance") != "DEPRECATED"]
    for artifact in current:
        service.update_provisioning_artifact(
            ProductId=product, ProvisioningArtifactId=artifact["Id"], Guidance="DEPRECATED"
        )
    terminal.verbatim(f"{product} has version {version}: {url}")
    if current:
        terminal.line(f"deprecated: {', '.join(it['Name'] for it in current)}")


def _wait(service: Client, product: str, artifact: str) -> None:
    while True:
        described: dict[str, Any] = service.describe_provisioning_artifact(
            ProductId=product, ProvisioningArtifactId=artifact
        )
        match described["Status"]:
            case "AVAILABLE":
                return
            case "FAILED":
                raise Problem(f"Service Catalog refuses the template: version {artifact} of {product} has FAILED")
        time.sleep(2)
