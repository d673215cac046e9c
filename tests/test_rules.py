"""What is refused before anything is created, and that the refusal names the parameter to change."""

from __future__ import annotations

import re
from itertools import product

import pytest
from deployments import DEFAULTS, REQUIRED, Editions, everything, items
from refuse import constraint_violations, refusals
from resolve import Data, Values

from generator import settings
from generator.sizing import CONTAINER_CPU, INSTANCES, MAX_SUBNETS, MEMORY_SIZES, cpu, task_cpu, task_memory

VPC = REQUIRED["VpcId"]
CERTIFICATE = {"CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/0a"}
TOPICS = {"AlarmTopicArns": "arn:aws:sns:eu-west-1:123456789012:alarms"}
FARGATE = {"Capacity": "fargate"}
DUAL = {"LoadBalancerIpAddressType": "dualstack", "IngressIpv6Cidrs": "2001:db8::/32"}
WITHOUT_IPV4 = DUAL | {"LoadBalancerIpAddressType": "dualstack-without-public-ipv4"}
FOREIGN = "subnet-0f000000000000001"
BOTH_ZONES = "subnet-0a000000000000001,subnet-0a000000000000002"


class _Subnets(dict[tuple[str, str], str]):
    """All subnets but one are in the operator's VPC; their zone is that of their last character."""

    def __missing__(self, key: tuple[str, str]) -> str:
        subnet, attribute = key
        if attribute == "AvailabilityZone":
            return f"zone-{subnet[-1]}"
        return "vpc-elsewhere" if subnet == FOREIGN else VPC


def _refused(template: Data, values: Values, rule: str | None = None) -> list[str]:
    rules = template["Rules"] if rule is None else {rule: template["Rules"][rule]}
    return refusals({**template, "Rules": rules}, REQUIRED | dict(values), _Subnets())


@pytest.mark.parametrize("values", [DEFAULTS, everything()], ids=["defaults", "everything"])
def test_sensible_values_are_accepted(editions: Editions, values: Values) -> None:
    assert _refused(editions.parent, values) == []
    assert constraint_violations(editions.parent, REQUIRED | dict(values)) == []


EXAMPLES: list[tuple[str, Values, Values, str]] = [
    (
        "VaultLock",
        {"BackupVaultLock": "governance"},
        {"BackupVaultLock": "governance", "BackupsForceDestroy": "true"},
        "BackupsForceDestroy",
    ),
    (
        "Upstream",
        {"UpstreamUrl": "https://a/simple"},
        {"UpstreamUrl": "https://a/simple", "FallbackUrl": "https://b/simple"},
        "FallbackUrl",
    ),
    # Rule, accepted, refused, and a parameter to change that the message names.
    ("SubnetsInVpc", {}, {"LoadBalancerSubnets": f"subnet-0a000000000000002,{FOREIGN}"}, "LoadBalancerSubnets"),
    ("SubnetsInVpc", {}, {"AsgSubnets": f"{FOREIGN},subnet-0b000000000000002"}, "AsgSubnets"),
    (
        "HostsInZonesOfLoadBalancer",
        {"LoadBalancerSubnets": BOTH_ZONES, "AsgSubnets": "subnet-0b000000000000002"},
        {"LoadBalancerSubnets": BOTH_ZONES, "AsgSubnets": "subnet-0b000000000000002,subnet-0b000000000000003"},
        "LoadBalancerSubnets",
    ),
    ("AlarmReceivers", {"AlarmEmails": "", **TOPICS}, {"AlarmEmails": ""}, "AlarmTopicArns"),
    ("AlarmReceivers", TOPICS, {"AlarmEmails": "", "AlarmTopicArns": ""}, "AlarmEmails"),
    (
        "CertificateForForeignZone",
        {"HostedZoneId": "", "CertificateHostedZoneId": "Z9"},
        {"HostedZoneId": ""},
        "Certif",
    ),
    (
        "CertificateForForeignZone",
        {"CertificateHostedZoneId": "Z9"},
        {"CertificateHostedZoneId": "Z9", **CERTIFICATE},
        "CertificateArn",
    ),
    ("CertificateForForeignZone", {"HostedZoneId": "", **CERTIFICATE}, {"HostedZoneId": ""}, "CertificateArn"),
    ("CertificateForForeignZone", CERTIFICATE, {"HostedZoneId": ""}, "HostedZoneId"),
    (
        "InternalLoadBalancer",
        DUAL | {"LoadBalancerScheme": "internal"},
        WITHOUT_IPV4 | {"LoadBalancerScheme": "internal"},
        "LoadBalancerIpAddressType",
    ),
    (
        "InternalLoadBalancer",
        WITHOUT_IPV4,
        WITHOUT_IPV4 | {"LoadBalancerScheme": "internal"},
        "internal",
    ),
    ("Ipv6Ranges", DUAL, DUAL | {"IngressIpv6Cidrs": ""}, "IngressIpv6Cidrs"),
    ("Ipv6Ranges", WITHOUT_IPV4, WITHOUT_IPV4 | {"IngressIpv6Cidrs": ""}, "LoadBalancerIpAddressType"),
    ("TaskCounts", {"TaskMinCount": "3", "TaskMaxCount": "3"}, {"TaskMinCount": "3", "TaskMaxCount": "2"}, "TaskM"),
    ("GroupSizes", {"AsgMinSize": "3", "AsgMaxSize": "3"}, {"AsgMinSize": "3", "AsgMaxSize": "2"}, "AsgMaxSize"),
    ("GroupSizes", {"AsgMinSize": "9", "AsgMaxSize": "9"}, {"AsgMinSize": "9", "AsgMaxSize": "0"}, "AsgMaxSize"),
    ("TaskFitsInstance", {"ContainerMemory": "1024"}, {"ContainerMemory": "1536"}, "AsgInstanceType"),
    ("TaskFitsInstance", {"ContainerCpu": "1024"}, {"ContainerCpu": "2048"}, "ContainerCpu"),
    ("TaskFitsFargate", FARGATE | {"ContainerMemory": "30720"}, FARGATE | {"ContainerMemory": "768"}, "ContainerMem"),
    ("TaskFitsFargate", FARGATE | {"ContainerCpu": "256"}, FARGATE | {"ContainerCpu": "128"}, "ContainerCpu"),
    ("TaskFitsFargate", {"ContainerCpu": "512"}, FARGATE | {"ContainerCpu": "512"}, "ContainerMemory"),
    (
        "MemoryReservation",
        {"ContainerMemoryReservation": "512"},
        {"ContainerMemoryReservation": "768"},
        "ContainerMemoryReservation",
    ),
    (
        "FileSystemThroughput",
        {"EfsThroughputMode": "provisioned", "EfsProvisionedThroughputInMibps": "5"},
        {"EfsThroughputMode": "provisioned"},
        "EfsProvisionedThroughputInMibps",
    ),
    ("FileSystemThroughput", {}, {"EfsProvisionedThroughputInMibps": "5"}, "EfsThroughputMode"),
    (
        "FileSystemArchive",
        {"EfsArchivePolicy": "90"},
        {"EfsArchivePolicy": "90", "EfsThroughputMode": "bursting"},
        "EfsArchivePolicy",
    ),
    (
        "FileSystemArchive",
        {"EfsArchivePolicy": "60", "EfsLifecyclePolicy": "30"},
        {"EfsArchivePolicy": "60", "EfsLifecyclePolicy": "60"},
        "EfsLifecyclePolicy",
    ),
    (
        "MountTargetsOfOwnFileSystem",
        {"CreateMountTargets": "false", "ExistingFileSystemId": "fs-01234567"},
        {"CreateMountTargets": "false"},
        "CreateMountTargets",
    ),
]


@pytest.mark.parametrize(("rule", "accepted", "refused", "named"), EXAMPLES)
def test_a_rule_refuses_and_says_what_to_change(
    editions: Editions, rule: str, accepted: Values, refused: Values, named: str
) -> None:
    assert _refused(editions.parent, accepted) == []
    messages = _refused(editions.parent, refused)
    assert messages == _refused(editions.parent, refused, rule), "another rule refuses too"
    assert len(messages) == 1
    assert named in messages[0]


def test_every_rule_has_an_example(editions: Editions) -> None:
    examples = {rule for rule, *_ in EXAMPLES}
    missing, stale = editions.parent["Rules"].keys() - examples, examples - editions.parent["Rules"].keys()
    assert not missing, f"{sorted(missing)}: give EXAMPLES values that the rule accepts and refuses"
    assert not stale, f"{sorted(stale)}: there is no such rule; take it out of EXAMPLES"


def test_every_message_names_a_parameter(editions: Editions) -> None:
    for name, rule in editions.parent["Rules"].items():
        for assertion in rule["Assertions"]:
            words = set(re.findall(r"\w+", assertion["AssertDescription"]))
            assert words & editions.parent["Parameters"].keys(), name


def _allowed(template: Data, name: str) -> list[int]:
    """Every whole number that the parameter's constraints accept."""
    given = dict(REQUIRED)
    return [n for n in range(-1, 202) if name not in constraint_violations(template, given | {name: str(n)})]


def test_task_counts_over_all_that_the_patterns_allow(editions: Editions) -> None:
    least, most = _allowed(editions.parent, "TaskMinCount"), _allowed(editions.parent, "TaskMaxCount")
    assert (least[0], least[-1]) == (0, settings.MAX_TASK_MIN)
    assert most[0] == 1
    for low, high in product(least, most):
        values = {"TaskMinCount": str(low), "TaskMaxCount": str(high)}
        assert bool(_refused(editions.parent, values, "TaskCounts")) == (low > high), values


def test_group_sizes_over_all_that_the_patterns_allow(editions: Editions) -> None:
    """0 is automatic: a minimum of one to a subnet, a maximum above any automatic minimum."""
    least, most = _allowed(editions.parent, "AsgMinSize"), _allowed(editions.parent, "AsgMaxSize")
    assert (least[0], least[-1]) == (0, settings.MAX_GROUP_MIN)
    assert (most[0], most[-1]) == (0, 100)
    for low, high in product(least, most):
        if low == 0 < high < MAX_SUBNETS:
            continue  # depends on the number of subnets: see the next test
        values = {"AsgMinSize": str(low), "AsgMaxSize": str(high)}
        wrong = low > high if high else low > MAX_SUBNETS
        assert bool(_refused(editions.parent, values, "GroupSizes")) == wrong, values


def test_a_group_cannot_be_smaller_than_its_automatic_minimum(editions: Editions) -> None:
    """A maximum given alone has to hold a host in each subnet, or be refused."""
    for subnets in range(1, MAX_SUBNETS + 1):
        given = {"AsgSubnets": items("subnet-0{}", subnets)}
        refused = [n for n in range(1, 20) if _refused(editions.parent, given | {"AsgMaxSize": str(n)}, "GroupSizes")]
        assert refused == list(range(1, MAX_SUBNETS))
        values = given | {"AsgMaxSize": str(MAX_SUBNETS)}
        group = editions.single(values).value(editions.single_file["Resources"]["AutoScalingGroup"]["Properties"])
        assert int(group["MinSize"]) <= int(group["MaxSize"]), values


@pytest.mark.parametrize("name", INSTANCES)
def test_task_fits_instance_over_all_sizes(editions: Editions, name: str) -> None:
    instance = INSTANCES[name]
    for memory, units in product(MEMORY_SIZES, (0, *CONTAINER_CPU)):
        values = {"AsgInstanceType": name, "ContainerMemory": str(memory), "ContainerCpu": str(units)}
        fits = memory <= task_memory(instance.memory) and (units or cpu(memory)) <= task_cpu(instance.vcpus)
        assert bool(_refused(editions.parent, values, "TaskFitsInstance")) == (not fits), values


def test_memory_reservation_over_all_sizes(editions: Editions) -> None:
    for limit, soft in product(MEMORY_SIZES, (0, *MEMORY_SIZES)):
        values = {"ContainerMemory": str(limit), "ContainerMemoryReservation": str(soft)}
        assert bool(_refused(editions.parent, values, "MemoryReservation")) == (soft > limit), values


def test_archive_comes_after_infrequent_access(editions: Editions) -> None:
    for days, archive in product(settings.EFS_LIFECYCLE_POLICY.values, settings.EFS_ARCHIVE_POLICY.values):
        values = {"EfsLifecyclePolicy": days, "EfsArchivePolicy": archive}
        wrong = "none" not in (days, archive) and int(archive) <= int(days)
        assert bool(_refused(editions.parent, values, "FileSystemArchive")) == wrong, values
