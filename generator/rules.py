"""What is refused before anything is created, each with what to do about it.

Rules have no arithmetic: comparisons are spelled out over the values that the parameters' patterns allow.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from generator import settings
from generator.language.wiring import Setting
from generator.sizing import (
    CONTAINER_CPU,
    FARGATE,
    INSTANCES,
    MAX_SUBNETS,
    MEMORY_SIZES,
    fargate_memory,
    task_cpu,
    task_memory,
)

Test = dict[str, Any]
_MOST_OPERANDS = 10


def _ref(setting: Setting) -> Test:
    return {"Ref": setting.name}


def _is(setting: Setting, value: object) -> Test:
    return {"Fn::Equals": [_ref(setting), str(value)]}


def _in(setting: Setting, values: Iterable[object]) -> Test:
    """The value of ``setting`` is one of ``values``; expressed by the others that it may have, if they are fewer."""
    wanted = [str(value) for value in values]
    others = [value for value in setting.values if value not in wanted]
    if len(others) < len(wanted) and setting.values:
        return _not({"Fn::Contains": [others, _ref(setting)]})
    return {"Fn::Contains": [wanted, _ref(setting)]}


def _not(test: Test) -> Test:
    return test["Fn::Not"][0] if "Fn::Not" in test else {"Fn::Not": [test]}


def _or(*tests: Test) -> Test:
    return {"Fn::Or": list(tests)}


def _and(tests: Sequence[Test]) -> Test:
    """All of ``tests``; And takes at most ten operands, so longer ones are nested."""
    if len(tests) == 1:
        return tests[0]
    while len(tests) > _MOST_OPERANDS:
        tests = [_and(tests[i : i + _MOST_OPERANDS]) for i in range(0, len(tests), _MOST_OPERANDS)]
    return {"Fn::And": list(tests)}


def _if(premise: Test, conclusion: Test) -> Test:
    return _or(_not(premise), conclusion)


def _at_most(low: Setting, high: Setting, highs: Iterable[int]) -> Test:
    """``low`` does not exceed ``high``, for those ``highs`` that it could exceed."""
    return _and([_if(_is(high, top), _in(low, [it for it in low.values if int(it) <= top])) for top in highs])


def _rule(*assertions: tuple[Test, str], where: Test | None = None) -> dict[str, Any]:
    """Every assertion must hold if ``where`` does."""
    told = [{"Assert": test, "AssertDescription": text} for test, text in assertions]
    return {**({"RuleCondition": where} if where else {}), "Assertions": told}


def _value_of(subnets: Setting, attribute: str) -> Test:
    """The attribute of each subnet; ``VpcId`` and ``AvailabilityZone`` are supported.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-rules.html
    """
    return {"Fn::ValueOf": [subnets.name, attribute]}


def _in_vpc(subnets: Setting) -> Test:
    return {"Fn::EachMemberEquals": [_value_of(subnets, "VpcId"), _ref(settings.VPC_ID)]}


def _fits_hosts() -> Iterable[tuple[Test, str]]:
    """One assertion for each size of instance that is too small for some task."""
    sizes = sorted({it[1:] for it in INSTANCES.values()})
    for size in sizes:
        vcpus, nominal = size
        names = [name for name, it in INSTANCES.items() if it[1:] == size]
        memory = [it for it in MEMORY_SIZES if it <= task_memory(nominal)]
        units = [it for it in CONTAINER_CPU if it <= task_cpu(vcpus)]
        tests, limits = [], []
        if memory != list(MEMORY_SIZES):
            tests.append(_in(settings.CONTAINER_MEMORY, memory))
            limits.append(f"a ContainerMemory of {memory[-1]}")
        if units != list(CONTAINER_CPU):
            tests.append(_in(settings.CONTAINER_CPU_UNITS, [0, *units]))
            limits.append(f"a ContainerCpu of {units[-1]}")
        if tests:
            yield (
                _if(_in(settings.ASG_INSTANCE_TYPE, names), _and(tests)),
                f"An instance of {vcpus} vCPUs and {nominal // 1024} GiB takes {' and '.join(limits)} at most: "
                "choose a larger AsgInstanceType, or less.",
            )


def _fits_fargate() -> Iterable[tuple[Test, str]]:
    known = sorted({memory for units in FARGATE for memory in fargate_memory(units)})
    yield (
        _in(settings.CONTAINER_MEMORY, known),
        f"Fargate has no task of this ContainerMemory: choose one of {', '.join(map(str, known))}.",
    )
    yield (
        _in(settings.CONTAINER_CPU_UNITS, [0, *FARGATE]),
        f"Fargate has no task of this ContainerCpu: choose 0, {', '.join(map(str, FARGATE))}.",
    )
    for units in FARGATE:
        fitting = fargate_memory(units)
        yield (
            _if(_is(settings.CONTAINER_CPU_UNITS, units), _in(settings.CONTAINER_MEMORY, fitting)),
            f"On Fargate a ContainerCpu of {units} goes with a ContainerMemory of {fitting[0]} to {fitting[-1]}: "
            "choose one of these, or 0 for ContainerCpu.",
        )


_ON_HOSTS = _is(settings.CAPACITY, "ec2")
_PROVISIONED = _is(settings.EFS_THROUGHPUT_MODE, "provisioned")
_ARCHIVE_OFF = _is(settings.EFS_ARCHIVE_POLICY, "none")
_NO_ZONE = _is(settings.HOSTED_ZONE_ID, "")
_NO_CERTIFICATE_ZONE = _is(settings.CERTIFICATE_HOSTED_ZONE_ID, "")
_NOBODY = [_is(settings.ALARM_EMAILS, ""), _is(settings.ALARM_TOPIC_ARNS, "")]
_DAYS = [int(days) for days in settings.EFS_ARCHIVE_POLICY.values if days != "none"]

RULES: dict[str, dict[str, Any]] = {
    "SubnetsInVpc": _rule(
        (_in_vpc(settings.LOAD_BALANCER_SUBNETS), "Every subnet of LoadBalancerSubnets must be in VpcId."),
        (_in_vpc(settings.ASG_SUBNETS), "Every subnet of AsgSubnets must be in VpcId."),
    ),
    "HostsInZonesOfLoadBalancer": _rule(
        (
            {
                "Fn::EachMemberIn": [
                    _value_of(settings.ASG_SUBNETS, "AvailabilityZone"),
                    _value_of(settings.LOAD_BALANCER_SUBNETS, "AvailabilityZone"),
                ]
            },
            "Every Availability Zone of AsgSubnets needs a subnet in LoadBalancerSubnets: the load balancer sends no "
            "request to hosts in other zones.",
        )
    ),
    "AlarmReceivers": _rule(
        (_not(_and(_NOBODY)), "Give AlarmEmails or AlarmTopicArns: somebody must receive the alarms.")
    ),
    "CertificateForForeignZone": _rule(
        (
            _or(_not(_NO_ZONE), _not(_is(settings.CERTIFICATE_ARN, "")), _not(_NO_CERTIFICATE_ZONE)),
            "Give HostedZoneId; or, if the zone is in another account, give CertificateArn or CertificateHostedZoneId, "
            "and create the records there with dns.yaml.",
        ),
        (
            _or(_NO_CERTIFICATE_ZONE, _is(settings.CERTIFICATE_ARN, "")),
            "CertificateHostedZoneId is for a new certificate: leave it or CertificateArn empty.",
        ),
    ),
    "InternalLoadBalancer": _rule(
        (
            _if(
                _is(settings.LOAD_BALANCER_SCHEME, "internal"),
                _not(_is(settings.LOAD_BALANCER_IP_ADDRESS_TYPE, "dualstack-without-public-ipv4")),
            ),
            "An internal load balancer has no public IPv4: choose ipv4 or dualstack for LoadBalancerIpAddressType.",
        )
    ),
    "Ipv6Ranges": _rule(
        (
            _or(_is(settings.LOAD_BALANCER_IP_ADDRESS_TYPE, "ipv4"), _not(_is(settings.INGRESS_IPV6_CIDRS, ""))),
            "Nobody could connect to the IPv6 addresses: give IngressIpv6Cidrs, or choose ipv4 for "
            "LoadBalancerIpAddressType.",
        )
    ),
    "TaskCounts": _rule(
        (
            _at_most(settings.TASK_MIN_COUNT, settings.TASK_MAX_COUNT, range(1, settings.MAX_TASK_MIN)),
            "TaskMinCount must not exceed TaskMaxCount.",
        )
    ),
    "GroupSizes": _rule(
        (
            _at_most(settings.ASG_MIN_SIZE, settings.ASG_MAX_SIZE, range(1, settings.MAX_GROUP_MIN)),
            "AsgMinSize must not exceed AsgMaxSize.",
        ),
        (
            _or(_in(settings.ASG_MIN_SIZE, range(MAX_SUBNETS + 1)), _not(_is(settings.ASG_MAX_SIZE, 0))),
            f"With an AsgMinSize above {MAX_SUBNETS}, give AsgMaxSize too.",
        ),
        (
            _or(_not(_in(settings.ASG_MAX_SIZE, range(1, MAX_SUBNETS))), _not(_is(settings.ASG_MIN_SIZE, 0))),
            f"With an AsgMaxSize below {MAX_SUBNETS}, give AsgMinSize too: automatically it is one for each subnet.",
        ),
    ),
    "TaskFitsInstance": _rule(*_fits_hosts(), where=_ON_HOSTS),
    "TaskFitsFargate": _rule(*_fits_fargate(), where=_not(_ON_HOSTS)),
    "MemoryReservation": _rule(
        (
            _at_most(settings.CONTAINER_MEMORY_RESERVATION, settings.CONTAINER_MEMORY, MEMORY_SIZES[:-1]),
            "ContainerMemoryReservation must not exceed ContainerMemory.",
        )
    ),
    "FileSystemThroughput": _rule(
        (
            _if(_PROVISIONED, _not(_is(settings.EFS_PROVISIONED_THROUGHPUT, ""))),
            "Provisioned throughput needs a figure: give EfsProvisionedThroughputInMibps.",
        ),
        (
            _or(_PROVISIONED, _is(settings.EFS_PROVISIONED_THROUGHPUT, "")),
            "EfsProvisionedThroughputInMibps is for EfsThroughputMode provisioned: choose that, or leave it empty.",
        ),
    ),
    "FileSystemArchive": _rule(
        (
            _or(_ARCHIVE_OFF, _is(settings.EFS_THROUGHPUT_MODE, "elastic")),
            "Archive needs elastic throughput: choose it, or none for EfsArchivePolicy.",
        ),
        (
            _and(
                [
                    _if(
                        _is(settings.EFS_ARCHIVE_POLICY, days),
                        _in(settings.EFS_LIFECYCLE_POLICY, ["none", 1, *(it for it in _DAYS if it < days)]),
                    )
                    for days in _DAYS
                ]
            ),
            "Files go to Archive after Infrequent Access: give EfsArchivePolicy more days than EfsLifecyclePolicy.",
        ),
    ),
    "MountTargetsOfOwnFileSystem": _rule(
        (
            _or(_is(settings.CREATE_MOUNT_TARGETS, "true"), _not(_is(settings.EXISTING_FILE_SYSTEM_ID, ""))),
            "A new file system needs mount targets: choose true for CreateMountTargets, or give ExistingFileSystemId.",
        )
    ),
    "VaultLock": _rule(
        (
            _or(_is(settings.BACKUP_VAULT_LOCK, "none"), _is(settings.BACKUPS_FORCE_DESTROY, "false")),
            "A locked vault cannot be emptied: choose false for BackupsForceDestroy, or none for BackupVaultLock.",
        )
    ),
    "Upstream": _rule(
        (
            _or(_is(settings.UPSTREAM_URL, ""), _is(settings.FALLBACK_URL, "")),
            "UpstreamUrl and FallbackUrl are both for projects that are not here: leave one empty.",
        )
    ),
}
