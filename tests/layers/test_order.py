"""What waits for what: the order of creation, and its reverse in which a stack can be deleted."""

from __future__ import annotations

import pytest
from deployments import Editions
from updates import waits

from generator.parts.container_program import packed

AFTER = [
    # Logical ID, and what must be there before it (and is deleted after it).
    ("LoadBalancer", "AccessLogsPolicy"),  # its creation writes a test file
    ("AccessLogsPolicy", "AccessLogsCleaner"),  # no more logs arrive while the bucket is emptied
    ("AccessLogsCleaner", "AccessLogs"),
    ("Certificate", "CertificateAuthorityRecords"),  # which fail at once where the certificate would wait for hours
    ("BackupPlan", "VaultCleaner"),  # no more backups arrive while the vault is emptied
    ("BackupSelection", "BackupPlan"),
    ("VaultCleaner", "BackupVault"),
    ("CapacityProvider", "AutoScalingGroup"),
    ("CapacityProvider", "GroupCleaner"),  # a group that is being deleted can have no provider
    ("GroupCleaner", "AutoScalingGroup"),
    ("CapacityProvider", "Cluster"),
    ("CapacityProviderAssociation", "CapacityProvider"),
    ("Service", "CapacityProviderAssociation"),  # or the tasks would lose their hosts while they drain
    ("LogAgentService", "CapacityProviderAssociation"),
    ("Service", "ForwardRule"),  # ECS refuses a target group that no load balancer has
    ("Service", "ExecutionRole"),
    ("TaskDefinition", packed().secret),  # or its tasks would not start; and they stop before it goes
    ("AutoScalingGroup", "HostRole"),
    *((user, "InsightsLogs") for user in ("AutoScalingGroup", "Service")),  # ECS would make it, as soon as it measures
    *((user, f"MountTarget{n}") for user in ("TaskDefinition", "Service") for n in range(1, 7)),
    ("ScalableTarget", "Service"),
    ("PublisherRotation", "RotationPermission"),  # Secrets Manager calls the function when a schedule is made
    ("ReaderRotation", "RotationPermission"),
]


@pytest.mark.parametrize(("user", "used"), AFTER)
def test_order_in_one_stack(editions: Editions, user: str, used: str) -> None:
    assert used in waits(editions.single_file)[user]


@pytest.mark.parametrize(("user", "used"), AFTER)
def test_order_over_nested_stacks(editions: Editions, user: str, used: str) -> None:
    """Within a stack as above; between stacks all of one waits for all of the other."""
    homes = {
        resource: title
        for title, stack in editions.parent["Resources"].items()
        for resource in editions.children[stack["Properties"]["TemplateURL"]]["Resources"]
    }
    home = homes[user]
    if homes[used] == home:
        assert used in waits(editions.children[f"{home.lower()}.yaml"])[user]
    else:
        assert homes[used] in waits(editions.parent)[home]


def test_nothing_waits_for_itself(editions: Editions) -> None:
    for template in editions.templates.values():
        assert not [title for title, names in waits(template).items() if title in names]


def test_storage_and_edge_start_together(editions: Editions) -> None:
    """Both take minutes, and neither needs the other."""
    after = waits(editions.parent)
    assert "Edge" not in after["Storage"]
    assert "Storage" not in after["Edge"]
