"""Every optional parameter, in every partition: what is there, what is not, and nothing that does not resolve."""

from __future__ import annotations

import json
from itertools import combinations, cycle
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from deployments import DEFAULTS, REQUIRED, Editions, everything, extras, items, of_type
from resolve import HERE, PLACES, Data, Evaluation, Place, Values

from generator import settings
from generator.sizing import INSTANCES, MAX_SUBNETS, MAX_TASKS, MEMORY_SIZES

LISTS = {
    "AlarmEmails": ("ops{}@example.com", settings.MAX_EMAILS),
    "AlarmTopicArns": ("arn:PARTITION:sns:eu-west-1:123456789012:alarms{}", settings.MAX_ALARM_TOPICS),
    "AsgSubnets": ("subnet-0{}", MAX_SUBNETS),
    "DnsNames": ("name{}", settings.MAX_DNS_NAMES),
    "ExtraManagedPolicyArns": ("arn:PARTITION:iam::123456789012:policy/extra{}", 7),
    "IngressCidrs": ("10.{}.0.0/16", settings.MAX_CIDRS),
    "IngressIpv6Cidrs": ("2001:db8:{}::/48", settings.MAX_IPV6_CIDRS),
    "LoadBalancerSubnets": ("subnet-1{}", 4),
    "SecretReaders": ("arn:PARTITION:iam::123456789012:role/reader{}", 10),
}


def _alone(place: Place) -> list[Values]:
    """Each optional parameter changed alone, each list at its longest; all off, all on."""
    changed = extras(place.partition)
    return [
        DEFAULTS,
        {"HostedZoneId": ""},
        changed,
        everything(place.partition),
        *({name: value} for name, value in changed.items()),
        *({name: items(form.replace("PARTITION", place.partition), most)} for name, (form, most) in LISTS.items()),
    ]


SWITCHES = {
    *(it.name for it in settings.ALL if 2 <= len(it.values) <= 3),
    "AlarmTopicArns",
    "CertificateArn",
    "ContainerCpu",
    "ExistingFileSystemId",
    "HostedZoneId",
    "LogKmsKeyArn",
    "PermissionsBoundaryArn",
    "SecretKmsKeyArn",
    "WebAclArn",
}


def _check(editions: Editions, values: Values, place: Place) -> None:
    nested, single = editions.nested(values, place), editions.single(values, place)
    assert nested.resources == single.resources, values
    assert nested.outputs == single.outputs, values
    if place.partition != "aws":
        assert "arn:aws:" not in json.dumps([single.resources, single.outputs]), values


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_every_parameter_alone_resolves(editions: Editions, place: Place) -> None:
    for values in _alone(place):
        _check(editions, values, place)


def test_every_allowed_value_and_every_length_of_a_list_resolves(editions: Editions) -> None:
    """Figures of which there are many act alike, and what they are looked up by has a test of its own below."""
    for values in (
        *({it.name: value} for it in settings.ALL if len(it.values) <= 10 for value in it.values),
        *({name: items(form, count)} for name, (form, most) in LISTS.items() for count in range(1, most)),
    ):
        _check(editions, values, HERE)


@pytest.mark.slow
def test_every_pair_of_switches_resolves(editions: Editions) -> None:
    """Each pair in one of the partitions."""
    for place, pair in zip(cycle(PLACES), combinations(sorted(SWITCHES), 2), strict=False):
        changed = extras(place.partition) | {"HostedZoneId": ""}
        _check(editions, {name: changed[name] for name in pair}, place)


def test_every_optional_parameter_has_another_value() -> None:
    """By which the tests here, and others, see what it does."""
    optional = {it.name for it in settings.ALL if it.default is not None} - REQUIRED.keys()
    missing = optional - extras().keys()
    assert not missing, f"{sorted(missing)}: give a value other than the default in extras() of deployments.py"


def test_every_parameter_has_an_effect(editions: Editions) -> None:
    """Alone, or together with what it is for."""
    contexts: tuple[Values, ...] = (
        DEFAULTS,
        {"Capacity": "fargate"},
        {"AsgInstanceType": "t4g.micro"},
        {"EfsThroughputMode": "bursting"},
        {"EfsThroughputMode": "provisioned"},
        {"LoadBalancerIpAddressType": "dualstack"},
        {"BackupVaultLock": "governance"},
        {"PasswordRotationDays": "7"},
    )
    before = [editions.single(context).resources for context in contexts]
    values = extras()
    assert values
    for name, value in values.items():
        after = (editions.single({**context, name: value}).resources for context in contexts)
        changed = any(one != other for one, other in zip(before, after, strict=True))
        assert changed, f"{name}={value} changes no resource, in none of the contexts: take it in a layer"


def test_the_dns_template_resolves_alone(editions: Editions) -> None:
    balancer = {"LoadBalancerDnsName": "lb.example.net", "LoadBalancerHostedZoneId": "Z1"}
    zone = {name: REQUIRED[name] for name in ("HostedZoneName", "HostedZoneId")}
    given = balancer | zone | {"LoadBalancerIpAddressType": "dualstack", "CaaRecords": "true"}
    for count in range(1, settings.MAX_DNS_NAMES + 1):
        values = given | {"DnsNames": items("name{}", count)}
        resources = Evaluation(editions.templates["dns.yaml"], values).resources
        assert len(resources["Records"]["Properties"]["RecordSets"]) == 2 * count
        assert len(resources["CertificateAuthorityRecords"]["Properties"]["RecordSets"]) == count


def test_both_ways_of_the_records_are_the_same(editions: Editions) -> None:
    """dns.yaml in the zone's account makes what the server's own stack makes in its account."""
    own = editions.single({"DnsNames": "a,b"}).resources
    alone = Evaluation(
        editions.templates["dns.yaml"],
        {
            "HostedZoneName": REQUIRED["HostedZoneName"],
            "HostedZoneId": REQUIRED["HostedZoneId"],
            "DnsNames": "a,b",
            "CaaRecords": "true",
            "LoadBalancerDnsName": "<LoadBalancer.DNSName>",
            "LoadBalancerHostedZoneId": "<LoadBalancer.CanonicalHostedZoneID>",
        },
    ).resources
    assert alone == {title: own[title] for title in alone}


def test_every_key_that_a_mapping_is_asked_for_exists(editions: Editions) -> None:
    """A look-up evaluates without error for every type, memory and count that the parameters allow."""
    for name in INSTANCES:
        for memory in MEMORY_SIZES:
            values = {"AsgInstanceType": name, "ContainerMemory": str(memory)}
            evaluation = editions.single(values)
            for title in ("AutoScalingGroup", "LaunchTemplate", "TaskDefinition"):
                evaluation.value(editions.single_file["Resources"][title]["Properties"])
    for most in range(1, MAX_TASKS + 1):
        evaluation = editions.single({"TaskMaxCount": str(most)})
        evaluation.value(editions.single_file["Resources"]["AutoScalingGroup"]["Properties"])


BACKUP = {"BackupVault", "BackupPlan", "BackupSelection", "BackupRole", "FailedBackup"}
VAULT_CLEANER = {"VaultCleaner", "VaultCleanerFunction", "VaultCleanerRole", "VaultCleanerLogs"}
ROTATION = {
    *("PublisherRotation", "ReaderRotation", "RotationAlarm", "RotationPermission"),
    *("RotationFunction", "RotationLogs", "RotationRole"),
}
RECORDS = {"Records", "CertificateAuthorityRecords"}
OWN_CERTIFICATE = {"CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/0a"}

HOSTS = {
    *("HostSecurityGroup", "HostIngress", "HostRole", "HostProfile", "HostLogs", "LaunchTemplate", "AutoScalingGroup"),
    *("CapacityProvider", "LogAgentService", "LogAgentTaskDefinition", "LogAgentRole", "LogAgentExecutionRole"),
    *("LostHostsAlarm", "HostCpuAlarm", "CpuCreditAlarm", "FailedHosts"),
}
TASKS = {"TaskSecurityGroup", "TaskIngress"}

PRESENCE: dict[str, tuple[Values, set[str], set[str]]] = {
    # What is given, what must be there, what must not be there.
    "defaults": (
        DEFAULTS,
        {"FileSystem", "Certificate", "Dashboard", "MountTarget1", "MountTarget2", *RECORDS, *BACKUP},
        {"MountTarget3", "WebAclAssociation", "PublisherSecretReaders", "ForwardMoreRule", "EmailSubscription2"}
        | {"HostExtraPermissions", "TaskExecPermissions", "SecretKeyPermissions", "FileSystemBurstCreditAlarm"}
        | {"AccessLogsCleaner", "GroupCleaner", *VAULT_CLEANER},
    ),
    "zone elsewhere": ({"HostedZoneId": "", **OWN_CERTIFICATE}, {"HttpsListener"}, {"Certificate", *RECORDS}),
    # Its authority must go on issuing: only a certificate of ours brings the records that admit Amazon alone.
    "own certificate, zone here": (OWN_CERTIFICATE, {"Records"}, {"Certificate", "CertificateAuthorityRecords"}),
    "CAA records of somebody else": ({"CaaRecords": "false"}, {"Certificate"}, {"CertificateAuthorityRecords"}),
    # They would bind every name of the zone that has none of its own.
    "the zone itself": ({"DnsNames": "pypi,@"}, {"Certificate", "Records"}, {"CertificateAuthorityRecords"}),
    "a wildcard": ({"DnsNames": "pypi,*.dev"}, {"Certificate", "Records"}, {"CertificateAuthorityRecords"}),
    "two labels": ({"DnsNames": "pypi.dev"}, {"Certificate", *RECORDS}, set()),
    "validated elsewhere": (
        {"HostedZoneId": "", "CertificateHostedZoneId": "Z9"},
        {"Certificate", "CertificateAuthorityRecords"},
        {"Records"},
    ),
    "adopted file system": (
        {"ExistingFileSystemId": "fs-0123456789abcdef0"},
        {"AccessPoint", "MountTarget1", "MountTarget2", *BACKUP},
        {"FileSystem"},
    ),
    "no mount targets": (
        {"ExistingFileSystemId": "fs-0123456789abcdef0", "CreateMountTargets": "false"},
        {"AccessPoint"},
        {f"MountTarget{n}" for n in range(1, MAX_SUBNETS + 2)},
    ),
    "as many subnets as there can be zones": (
        {"AsgSubnets": items("subnet-0{}", MAX_SUBNETS)},
        {f"MountTarget{n}" for n in range(1, MAX_SUBNETS + 1)},
        set(),
    ),
    # The service refuses the extra target: it must be there.
    "more subnets than zones": (
        {"AsgSubnets": items("subnet-0{}", MAX_SUBNETS + 1)},
        {f"MountTarget{MAX_SUBNETS + 1}"},
        set(),
    ),
    "no backup": ({"EnableEfsBackup": "false"}, {"BackupVault"}, (BACKUP | VAULT_CLEANER) - {"BackupVault"}),
    "backups deleted": ({"BackupsForceDestroy": "true"}, BACKUP | VAULT_CLEANER, {"AccessLogsCleaner", "GroupCleaner"}),
    "access logs deleted": (
        {"AccessLogForceDestroy": "true"},
        {"AccessLogsCleaner", "AccessLogsCleanerFunction", "AccessLogsCleanerRole", "AccessLogsCleanerLogs"},
        {"GroupCleaner", *VAULT_CLEANER},
    ),
    "protected hosts": (
        {"ManagedTerminationProtection": "ENABLED"},
        {"GroupCleaner", "GroupCleanerFunction", "GroupCleanerRole", "GroupCleanerLogs"},
        {"AccessLogsCleaner", *VAULT_CLEANER},
    ),
    "hosts": (DEFAULTS, HOSTS, TASKS),
    **{
        capacity: (
            {"Capacity": capacity, "ManagedTerminationProtection": "ENABLED"},
            {*TASKS, "CapacityProviderAssociation", "TaskDefinition", "Service", "ScalingPolicy", "TaskLogs"},
            {*HOSTS, "GroupCleaner", "GroupCleanerFunction", "GroupCleanerRole", "GroupCleanerLogs"},
        )
        for capacity in ("fargate", "fargate-spot")
    },
    "web ACL": ({"WebAclArn": extras()["WebAclArn"]}, {"WebAclAssociation"}, set()),
    "secret readers": (
        {"SecretReaders": extras()["SecretReaders"]},
        {"PublisherSecretReaders", "ReaderSecretReaders"},
        set(),
    ),
    "new passwords": ({"PasswordRotationDays": "30"}, ROTATION, set()),
    "new passwords of the publisher": (
        {"PasswordRotationDays": "30", "ReaderAccount": "false"},
        ROTATION - {"ReaderRotation"},
        {"ReaderRotation"},
    ),
    "no new passwords": (DEFAULTS, set(), ROTATION),
    "tokens": ({"Tokens": "true"}, {"TokensSecret"}, ROTATION),
    "no tokens": (DEFAULTS, set(), {"TokensSecret"}),
    "no reader": ({"ReaderAccount": "false"}, {"PublisherSecret", "ReaderSecret"}, set()),
    "five names": ({"DnsNames": items("n{}", 5)}, {"ForwardRule"}, {"ForwardMoreRule"}),
    "six names": ({"DnsNames": items("n{}", 6)}, {"ForwardRule", "ForwardMoreRule"}, set()),
    "bursting": ({"EfsThroughputMode": "bursting"}, {"FileSystemBurstCreditAlarm"}, set()),
    "no insights": ({"EnableContainerInsights": "false"}, set(), {"InsightsLogs"}),
    "no dashboard": ({"EnableCloudwatchDashboard": "false"}, set(), {"Dashboard"}),
    "no tasks wanted": ({"TaskMinCount": "0"}, set(), {"NoHealthyTargetsAlarm", "PackagesUnavailableAlarm"}),
    "hosts without credits": ({"AsgInstanceType": "m7g.large"}, set(), {"CpuCreditAlarm"}),
    "override without credits": ({"AsgInstanceTypeOverride": "m7gd.medium"}, set(), {"CpuCreditAlarm"}),
    "override with credits": (
        {"AsgInstanceType": "m7g.large", "AsgInstanceTypeOverride": "t4g.nano"},
        {"CpuCreditAlarm"},
        set(),
    ),
}


@pytest.mark.parametrize("case", PRESENCE)
def test_what_is_there(editions: Editions, case: str) -> None:
    values, there, not_there = PRESENCE[case]
    resources = editions.nested(values).resources.keys()
    assert there <= resources
    assert not not_there & resources


def test_every_conditional_resource_is_there_with_some_values_and_not_with_others(editions: Editions) -> None:
    conditional = {title for title, it in editions.single_file["Resources"].items() if "Condition" in it}
    cases = [editions.single(values).resources.keys() for values, _, _ in PRESENCE.values()]
    cases.append(editions.single(everything()).resources.keys())
    never = {title for title in conditional if not any(title in there for there in cases)}
    assert not never, f"{sorted(never)}: no case of PRESENCE or everything() makes it: add one"
    always = {title for title in conditional if all(title in there for there in cases)}
    assert not always, (
        f"{sorted(always)}: every case makes it: add one to PRESENCE that does not, or drop the condition"
    )


BACKUPS = {"BackupPlan", "BackupRole", "BackupSelection", "FailedBackup", "FailedRestore", "MissingBackupAlarm"}
ACCESS_LOGS_CLEANER = {title.replace("Vault", "AccessLogs") for title in VAULT_CLEANER}
GROUP_CLEANER = {title.replace("Vault", "Group") for title in VAULT_CLEANER}
TOGGLES: dict[tuple[str, str], set[str]] = {
    ("AccessLogForceDestroy", "true"): ACCESS_LOGS_CLEANER,
    ("AsgInstanceType", "m7g.large"): {"CpuCreditAlarm"},
    ("AsgInstanceTypeOverride", "r8gd.medium"): {"CpuCreditAlarm"},
    ("BackupCopyVaultArn", extras()["BackupCopyVaultArn"]): {"FailedBackupCopy"},
    ("BackupSchedule", extras()["BackupSchedule"]): {"MissingBackupAlarm"},
    ("BackupsForceDestroy", "true"): VAULT_CLEANER,
    ("CaaRecords", "false"): {"CertificateAuthorityRecords"},
    ("Capacity", "fargate"): HOSTS | TASKS,
    ("Capacity", "fargate-spot"): HOSTS | TASKS,
    ("CertificateArn", extras()["CertificateArn"]): {"Certificate", "CertificateAuthorityRecords"},
    ("CreateMountTargets", "false"): {"MountTarget1", "MountTarget2"},
    ("DnsNames", extras()["DnsNames"]): {"ForwardMoreRule"},
    ("EfsThroughputMode", "bursting"): {"FileSystemBurstCreditAlarm"},
    ("EnableCloudwatchDashboard", "false"): {"Dashboard"},
    ("EnableContainerInsights", "false"): {"InsightsLogs"},
    ("EnableEfsBackup", "false"): BACKUPS,
    ("ExistingFileSystemId", extras()["ExistingFileSystemId"]): {"FileSystem"},
    ("HttpRedirect", "true"): {"HttpListener"},
    ("ManagedTerminationProtection", "ENABLED"): GROUP_CLEANER,
    ("PasswordRotationDays", "30"): ROTATION,
    ("SecretReaders", extras()["SecretReaders"]): {"PublisherSecretReaders", "ReaderSecretReaders"},
    ("TaskMinCount", "0"): {
        *("FailingRequestsAlarm", "MissingTasksAlarm", "NoHealthyTargetsAlarm", "PackagesUnavailableAlarm"),
        "SuccessRateAlarm",
    },
    ("Tokens", "true"): {"TokensSecret"},
    ("WebAclArn", extras()["WebAclArn"]): {"WebAclAssociation"},
}
"""The resources that come or go where one parameter of a default deployment is another: these, and no others."""


@pytest.mark.parametrize("way", ["nested", "single"])
def test_a_parameter_brings_and_removes_what_it_is_for_and_nothing_else(editions: Editions, way: str) -> None:
    """A resource that is under somebody else's condition is missed only where that one is off."""
    evaluate = getattr(editions, way)
    before = evaluate(DEFAULTS).resources.keys()
    alone = {(name, value) for name, value in extras().items()} | TOGGLES.keys()
    found = {(name, value): before ^ evaluate({name: value}).resources.keys() for name, value in alone}
    assert {toggle: titles for toggle, titles in found.items() if titles} == TOGGLES


def _records(resources: Data) -> list[tuple[str, str]]:
    return [(record["Type"], record["Name"]) for record in resources["Records"]["Properties"]["RecordSets"]]


@pytest.mark.parametrize(
    "given",
    [
        *([f"name{n}" for n in range(count, 0, -1)] for count in range(1, settings.MAX_DNS_NAMES + 1)),
        ["@"],
        ["pypi.tools", "@", "*.dev", "tools"],
        ["n1", "n2", "n3", "n4", "n5", "@", "*.a.b"],
    ],
    ids=",".join,
)
def test_names_keep_their_order_everywhere(editions: Editions, given: list[str]) -> None:
    evaluation = editions.nested({"DnsNames": ",".join(given)})
    resources = evaluation.resources
    names = ["example.com" if name == "@" else f"{name}.example.com" for name in given]
    certificate = resources["Certificate"]["Properties"]
    assert [certificate["DomainName"], *certificate.get("SubjectAlternativeNames", [])] == names
    assert [option["DomainName"] for option in certificate["DomainValidationOptions"]] == names
    assert _records(resources) == [("A", name) for name in names]
    hosts: list[str] = []
    for rule in of_type(resources, "AWS::ElasticLoadBalancingV2::ListenerRule").values():
        values = rule["Conditions"][0]["HostHeaderConfig"]["Values"]
        assert len(values) <= 5, "a rule takes five values"
        assert rule["Actions"] == [{"Type": "forward", "TargetGroupArn": "<TargetGroup>"}]
        hosts += values
    assert hosts == names
    assert evaluation.outputs["PypiServerUrls"] == ",".join(f"https://{name}" for name in names)


def _ingress(resources: Data, key: str) -> list[tuple[int, str]]:
    rules: list[dict[str, Any]] = resources["LoadBalancerSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    return [(rule["FromPort"], rule[key]) for rule in rules if key in rule and rule["IpProtocol"] == "tcp"]


@pytest.mark.parametrize("kind", settings.LOAD_BALANCER_IP_ADDRESS_TYPE.values)
def test_ipv6_comes_with_a_dual_stack_load_balancer_only(editions: Editions, kind: str) -> None:
    values = {"LoadBalancerIpAddressType": kind, "IngressIpv6Cidrs": "2001:db8::/32"}
    resources = editions.nested(values).resources
    dual = kind != "ipv4"
    both = [("A", "pypiserver.example.com"), ("AAAA", "pypiserver.example.com")]
    assert _records(resources) == (both if dual else both[:1])
    assert _ingress(resources, "CidrIpv6") == ([(443, "2001:db8::/32")] if dual else [])
    assert _ingress(resources, "CidrIp") == [(443, REQUIRED["IngressCidrs"])]


def test_no_ipv6_range_is_the_default(editions: Editions) -> None:
    assert _ingress(editions.nested({"LoadBalancerIpAddressType": "dualstack"}).resources, "CidrIpv6") == []


def test_every_range_may_connect_and_no_other(editions: Editions) -> None:
    cidrs = [f"10.{n}.0.0/16" for n in range(settings.MAX_CIDRS)]
    resources = editions.nested({"IngressCidrs": ",".join(cidrs), "HttpRedirect": "true"}).resources
    assert _ingress(resources, "CidrIp") == [(port, cidr) for cidr in cidrs for port in (80, 443)]


@pytest.mark.parametrize(
    ("days", "archive", "expected"),
    [
        ("30", "none", [{"TransitionToIA": "AFTER_30_DAYS"}]),
        ("1", "90", [{"TransitionToIA": "AFTER_1_DAY"}, {"TransitionToArchive": "AFTER_90_DAYS"}]),
        ("none", "180", [{"TransitionToArchive": "AFTER_180_DAYS"}]),
        ("none", "none", []),
    ],
)
def test_file_system_lifecycle(editions: Editions, days: str, archive: str, expected: list[Data]) -> None:
    values = {"EfsLifecyclePolicy": days, "EfsArchivePolicy": archive}
    assert editions.nested(values).resources["FileSystem"]["Properties"]["LifecyclePolicies"] == expected


def test_every_lifecycle_is_one_that_the_service_knows(editions: Editions) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", "AWS::EFS::FileSystem").schema
    properties = schema["definitions"]["LifecyclePolicy"]["properties"]
    for days in settings.EFS_LIFECYCLE_POLICY.values:
        for archive in settings.EFS_ARCHIVE_POLICY.values:
            values = {"EfsLifecyclePolicy": days, "EfsArchivePolicy": archive}
            policies = editions.single(values).value(editions.single_file["Resources"]["FileSystem"]["Properties"])
            chosen = [item for policy in policies["LifecyclePolicies"] for item in policy.items()]
            assert len(chosen) >= (days != "none") + (archive != "none")
            for name, value in chosen:
                assert value in properties[name]["enum"]


@pytest.mark.parametrize(
    ("values", "image"),
    [
        (DEFAULTS, f"<ssm:{settings.LATEST_X86_AMI_ID.default}>"),
        (
            {"AsgInstanceType": "t4g.micro"},
            "<ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id>",
        ),
        ({"AsgInstanceType": "t4g.micro", "AmiId": "ami-01234567"}, "ami-01234567"),
    ],
)
def test_the_image_is_of_the_types_architecture_unless_given(editions: Editions, values: Values, image: str) -> None:
    resources = editions.nested(values).resources
    assert resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]["ImageId"] == image
