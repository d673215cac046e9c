"""The architecture, top to bottom: every layer, and the wires between them."""

from __future__ import annotations

from typing import TypeVar

from troposphere import Template

from generator import settings
from generator.addons.ci_access import ci_access
from generator.addons.dns import dns
from generator.addons.network import network
from generator.addons.restore_testing import restore_testing
from generator.addons.web_acl import web_acl
from generator.language.editions import Edition, Form, Nested, Single
from generator.layers.compute import compute
from generator.layers.edge import edge
from generator.layers.monitoring import monitoring
from generator.layers.security import security
from generator.layers.storage import storage
from generator.parts.descriptions import DESCRIPTIONS, PARENT, SINGLE
from generator.parts.tags import tags
from generator.rules import RULES

E = TypeVar("E", bound=Edition)
FORM = Form(groups=settings.GROUPS, rules=RULES)
_SINGLE_SUPPRESSED = {
    "W1030": "EfsProvisionedThroughputInMibps is empty by default, and used only where a Rule has seen a figure",
}


def architecture(edition: E) -> E:
    """Build every layer into ``edition``; an earlier layer knows nothing of a later one."""
    from_security = security(edition.stack("Security", "pypiserver: security groups, the hosts' role, credentials"))

    # These two need nothing from each other, and their slow resources start together.
    from_storage = storage(
        edition.stack("Storage", "pypiserver: file system of the packages, and its backups"),
        file_system_group=from_security.file_system_group,
        publisher=from_security.publisher,
        reader=from_security.reader,
        tokens=from_security.tokens,
    )
    from_edge = edge(
        edition.stack("Edge", "pypiserver: certificate, load balancer, DNS records, access logs"),
        load_balancer_group=from_security.load_balancer_group,
    )

    from_compute = compute(
        edition.stack("Compute", "pypiserver: cluster, hosts, service and scaling"),
        host_group=from_security.host_group,
        task_group=from_security.task_group,
        host_profile=from_security.host_profile,
        publisher=from_security.publisher,
        reader=from_security.reader,
        tokens=from_security.tokens,
        file_system=from_storage.file_system,
        access_point=from_storage.access_point,
        task_role=from_storage.task_role,
        target_group=from_edge.target_group,
    )
    from_monitoring = monitoring(
        edition.stack("Monitoring", "pypiserver: alarms, failures, dashboard"),
        file_system=from_storage.file_system,
        vault=from_storage.vault,
        certificate=from_edge.certificate,
        load_balancer_name=from_edge.load_balancer_name,
        target_group_name=from_edge.target_group_name,
        cluster=from_compute.cluster,
        service=from_compute.service,
        service_arn=from_compute.service_arn,
        log_agent=from_compute.log_agent,
        auto_scaling_group=from_compute.auto_scaling_group,
        logs=from_compute.logs,
        rotation_function=from_security.rotation_function,
    )

    edition.expose(
        from_edge.urls,
        from_security.credentials_command,
        from_security.publisher,
        from_security.reader,
        from_security.tokens,
        from_edge.load_balancer,
        from_edge.load_balancer_dns_name,
        from_edge.load_balancer_zone,
        from_storage.file_system,
        from_storage.vault,
        from_compute.cluster,
        from_compute.service,
        from_compute.service_arn,
        from_compute.auto_scaling_group,
        from_compute.task_min_count,
        from_compute.capacity,
        from_compute.logs,
        from_monitoring.topic,
        from_monitoring.alarms,
        from_monitoring.dashboard_url,
    )
    return edition


def nested() -> Nested:
    return architecture(Nested(DESCRIPTIONS[PARENT], FORM, tags))


def single() -> Single:
    return architecture(Single(SINGLE, DESCRIPTIONS[SINGLE], FORM, _SINGLE_SUPPRESSED))


def templates() -> dict[str, Template]:
    """Every template by file name."""
    addons = (ci_access(), dns(), network(), restore_testing(), web_acl())
    built = {**nested().templates(), **single().templates()}
    return built | {name: it for addon in addons for name, it in addon.items()}
