"""The architecture, top to bottom: every layer, and the wires between them."""

from __future__ import annotations

from typing import TypeVar

from troposphere import Template

from generator import settings
from generator.addons.dns import dns
from generator.language.editions import Edition, Form, Nested, Single
from generator.layers.compute import compute
from generator.layers.edge import edge
from generator.layers.monitoring import monitoring
from generator.layers.security import security
from generator.layers.storage import storage
from generator.parts.tags import tags
from generator.rules import RULES

E = TypeVar("E", bound=Edition)
FORM = Form(settings=settings.ALL, rules=RULES)
_SINGLE_SUPPRESSED = {
    "W1030": "EfsProvisionedThroughputInMibps is empty by default, and used only where a Rule has seen a figure",
}


def architecture(edition: E) -> E:
    """Build every layer into ``edition``; an earlier layer knows nothing of a later one."""
    guard = security(edition.stack("Security", "pypiserver: security groups, the hosts' role, credentials"))

    # These two need nothing of each other, and their slow resources start together.
    packages = storage(
        edition.stack("Storage", "pypiserver: file system of the packages, and its backups"),
        file_system_group=guard.file_system,
    )
    door = edge(
        edition.stack("Edge", "pypiserver: certificate, load balancer, DNS records, access logs"),
        load_balancer_group=guard.load_balancer,
    )

    server = compute(
        edition.stack("Compute", "pypiserver: cluster, hosts, service and scaling"),
        hosts=guard.hosts,
        host_profile=guard.host_profile,
        publisher=guard.publisher,
        reader=guard.reader,
        file_system=packages.file_system,
        access_point=packages.access_point,
        task_role=packages.task_role,
        target_group=door.target_group,
    )
    watch = monitoring(
        edition.stack("Monitoring", "pypiserver: alarms, failures, dashboard"),
        file_system=packages.file_system,
        certificate=door.certificate,
        load_balancer=door.load_balancer_name,
        target_group=door.target_group_name,
        cluster=server.cluster,
        service=server.service,
        service_arn=server.service_arn,
        group=server.group,
    )

    edition.expose(
        door.urls,
        guard.credentials_command,
        guard.publisher,
        guard.reader,
        door.load_balancer,
        door.load_balancer_dns_name,
        door.load_balancer_zone,
        packages.file_system,
        server.cluster,
        server.service,
        server.service_arn,
        server.group,
        server.task_min_count,
        server.capacity,
        server.logs,
        watch.topic,
        watch.alarms,
        watch.dashboard_url,
    )
    return edition


def nested() -> Nested:
    return architecture(Nested("Private PyPI: pypiserver on ECS, EFS and a load balancer (parent)", FORM, tags))


def single() -> Single:
    return architecture(
        Single("Private PyPI: pypiserver on ECS, EFS and a load balancer (single file)", FORM, _SINGLE_SUPPRESSED)
    )


def templates() -> dict[str, Template]:
    """Every template by file name."""
    return {**nested().templates(), **single().templates(), "dns.yaml": dns()}
