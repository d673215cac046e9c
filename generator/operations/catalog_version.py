"""Versions of the Service Catalog product: each is a template that never changes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from generator.operations.aws import Account, Client
from generator.operations.exits import Problem
from generator.operations.publish import publish
from generator.operations.stacks import find, outputs


def publish_version(account: Account, templates: Path, bucket: str, prefix: str, stack_name: str, version: str) -> str:
    """Upload the single file and add it to the product as ``version``; what was done, in lines.

    The product is the one of the stack ``stack_name``. Older versions still launch, but are marked DEPRECATED. Raises
    Problem where the version exists, where there is no product, and where Service Catalog refuses the template.
    """
    stack = find(account.client("cloudformation"), stack_name)
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
    published = publish(account, templates, bucket, prefix)
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
    deprecated = ", ".join(it["Name"] for it in current)
    return f"{product} has version {version}: {url}" + (f"\ndeprecated: {deprecated}" if deprecated else "")


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
