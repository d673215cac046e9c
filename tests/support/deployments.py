"""The templates under test, and values that an operator might give them."""

from __future__ import annotations

from typing import NamedTuple

from resolve import HERE, Data, Evaluation, Place, Values

from generator import settings
from generator.sizing import MAX_SUBNETS

DEFAULTS: Values = {}
REQUIRED = {
    "VpcId": "vpc-0123456789abcdef0",
    "LoadBalancerSubnets": "subnet-0a000000000000001,subnet-0a000000000000002",
    "AsgSubnets": "subnet-0b000000000000001,subnet-0b000000000000002",
    "HostedZoneName": "example.com",
    "HostedZoneId": "Z0123456789ABC",
    "IngressCidrs": "203.0.113.0/24",
    "AlarmEmails": "ops@example.com",
}
"""The least that can be deployed with automatic certificate and records."""

CATALOG = {
    "Version": "1.0.0",
    "TemplateUrl": f"https://bucket.s3.eu-west-1.amazonaws.com/pypiserver/{'0' * 32}/pypiserver-single.yaml",
    "PrincipalArn1": "arn:aws:iam::123456789012:role/developers",
    "VpcIds": REQUIRED["VpcId"],
    "SubnetIds": f"{REQUIRED['LoadBalancerSubnets']},{REQUIRED['AsgSubnets']}",
    "HostedZoneIds": REQUIRED["HostedZoneId"],
}
"""Parameters of service-catalog.yaml whose administrator lets ``REQUIRED`` be launched."""


def items(form: str, count: int) -> str:
    """``count`` list items, numbered from 1 in the place of ``{}``, joined by commas."""
    return ",".join(form.format(index) for index in range(1, count + 1))


def extras(partition: str = "aws") -> dict[str, str]:
    """A value other than the default for every optional parameter; the Rules accept most of them together."""
    arn = f"arn:{partition}"
    return {
        "ServiceName": "wheels",
        "Environment": "production",
        "DnsNames": items("pypi{}", settings.MAX_DNS_NAMES),
        "LoadBalancerScheme": "internal",
        "LoadBalancerIpAddressType": "dualstack",
        "IngressCidrs": items("10.{}.0.0/16", settings.MAX_CIDRS),
        "HttpRedirect": "true",
        "CertificateHostedZoneId": "Z9876543210DEF",
        "CaaRecords": "false",
        "IngressIpv6Cidrs": items("2001:db8:{}::/48", settings.MAX_IPV6_CIDRS),
        "CertificateArn": f"{arn}:acm:eu-west-1:123456789012:certificate/0a-1b",
        "WebAclArn": f"{arn}:wafv2:eu-west-1:123456789012:regional/webacl/wall/0a-1b",
        "ReaderAccount": "false",
        "SecretReaders": items(arn + ":iam::123456789012:role/reader{}", 10),
        "SecretKmsKeyArn": f"{arn}:kms:eu-west-1:123456789012:key/0a-1b",
        "PasswordRotationDays": "30",
        "PasswordGraceHours": "24",
        "Tokens": "true",
        "DockerImageTag": "v2.4.3",
        "ContainerImage": "registry.example.com/pypiserver@sha256:0123",
        "ImmutablePackages": "false",
        "ReleaseOpenDays": "30",
        "FallbackUrl": "https://pypi.org/simple",
        "UpstreamUrl": "https://mirror.example.com/simple",
        "UpstreamFileHosts": "files.example.com",
        "PrivateNames": "acme-*",
        "MinReleaseAgeDays": "7",
        "CooldownExemptNames": "certifi",
        "BlockedFiles": "bad==1.0",
        "UpstreamCacheGib": "20",
        "TaskMinCount": "3",
        "TaskMaxCount": "20",
        "ContainerMemory": "1024",
        "ContainerMemoryReservation": "768",
        "ContainerCpu": "1024",
        "GunicornWorkers": "3",
        "EnableExecuteCommand": "true",
        "Capacity": "fargate",
        "CpuArchitecture": "ARM64",
        "AssignPublicIp": "ENABLED",
        "AsgInstanceType": "m7g.large",
        "AsgInstanceTypeOverride": "r8gd.medium",
        "AsgMinSize": "3",
        "AsgMaxSize": "12",
        "OnDemandBaseCapacity": "2",
        "OnDemandPercentageAboveBaseCapacity": "50",
        "EbsKmsKeyArn": f"{arn}:kms:eu-west-1:123456789012:key/4e-5f",
        "VolumeTags": "cost-center=12 34,team=",
        "EnableContainerInsights": "false",
        "AmiId": "ami-0123456789abcdef0",
        "LatestX86AmiId": "/example/x86",
        "LatestArmAmiId": "/example/arm",
        "ManagedTerminationProtection": "ENABLED",
        "Users": '[{"name": "admin"}]',
        "ExtraFiles": '[{"path": "/etc/motd", "content": "hello"}]',
        "CloudinitExtraCommands": "echo hello",
        "ExtraInstanceProfilePermissions": '{"Version": "2012-10-17", "Statement": []}',
        "ExtraManagedPolicyArns": items(arn + ":iam::123456789012:policy/extra{}", 7),
        "CloudWatchAgentImage": "registry.example.com/agent:1",
        "ExistingFileSystemId": "fs-0123456789abcdef0",
        "CreateMountTargets": "false",
        "PackagesPath": "/restored/packages",
        "EfsKmsKeyArn": f"{arn}:kms:eu-west-1:123456789012:key/6a7b6a7b-0000-4000-8000-6a7b6a7b6a7b",
        "EfsLifecyclePolicy": "1",
        "EfsArchivePolicy": "90",
        "EfsThroughputMode": "bursting",
        "EfsProvisionedThroughputInMibps": "100",
        "EnableEfsBackup": "false",
        "BackupSchedule": "cron(30 4 ? * MON *)",
        "BackupRetentionDays": "30",
        "BackupWeeklyRetentionDays": "60",
        "BackupMonthlyRetentionDays": "365",
        "BackupCopyVaultArn": f"{arn}:backup:eu-central-1:210987654321:backup-vault:copies",
        "BackupKmsKeyArn": f"{arn}:kms:eu-west-1:123456789012:key/8c-9d",
        "BackupVaultLock": "compliance",
        "BackupLockMinDays": "14",
        "BackupsForceDestroy": "true",
        "AlarmTopicArns": items(arn + ":sns:eu-west-1:123456789012:alarms{}", settings.MAX_ALARM_TOPICS),
        "PagerTopicArn": f"{arn}:sns:eu-west-1:123456789012:pager",
        "EfsBurstCreditThreshold": "5",
        "EnableCloudwatchDashboard": "false",
        "LogRetentionDays": "7",
        "LogKmsKeyArn": f"{arn}:kms:eu-west-1:123456789012:key/2c-3d",
        "DeletionProtection": "true",
        "AccessLogForceDestroy": "true",
        "PermissionsBoundaryArn": f"{arn}:iam::123456789012:policy/boundary",
    }


def everything(partition: str = "aws") -> dict[str, str]:
    """Values that the Rules accept together and that create every resource there can be on hosts."""
    without = {
        "BackupVaultLock",
        "Capacity",
        "CertificateArn",
        "EfsArchivePolicy",
        "EfsProvisionedThroughputInMibps",
        "ExistingFileSystemId",
        "FallbackUrl",
    }
    switches = dict.fromkeys(
        (
            "CaaRecords",
            "CreateMountTargets",
            "EnableCloudwatchDashboard",
            "EnableContainerInsights",
            "EnableEfsBackup",
            "ReaderAccount",
        ),
        "true",
    )
    given = {name: value for name, value in extras(partition).items() if name not in without}
    return {
        **given,
        **switches,
        "AlarmEmails": items("ops{}@example.com", settings.MAX_EMAILS),
        "AsgSubnets": items("subnet-0b00000000000000{}", MAX_SUBNETS),
        "LoadBalancerSubnets": items("subnet-0a00000000000000{}", MAX_SUBNETS),
    }


CASES: dict[str, Values] = {"defaults": DEFAULTS, "everything": everything()}
"""The least and the fullest deployment."""


Forms = dict[str, Data]
"""Templates by file name."""


class Editions(NamedTuple):
    """Every generated template as data, by file name."""

    templates: dict[str, Data]

    @property
    def parent(self) -> Data:
        return self.templates["pypiserver.yaml"]

    @property
    def single_file(self) -> Data:
        return self.templates["pypiserver-single.yaml"]

    @property
    def children(self) -> dict[str, Data]:
        nested = (it for it in self.parent["Resources"].values() if it["Type"] == "AWS::CloudFormation::Stack")
        urls = [it["Properties"]["TemplateURL"] for it in nested]
        return {url: self.templates[url] for url in urls}

    def nested(self, values: Values = DEFAULTS, place: Place = HERE) -> Evaluation:
        """The parent and its children with ``values`` over REQUIRED."""
        return Evaluation(self.parent, REQUIRED | dict(values), place, self.children)

    def single(self, values: Values = DEFAULTS, place: Place = HERE) -> Evaluation:
        """The single-file edition with ``values`` over REQUIRED."""
        return Evaluation(self.single_file, REQUIRED | dict(values), place)


def of_type(resources: Data, kind: str) -> dict[str, Data]:
    """The properties of the resources of type ``kind``, by logical ID."""
    return {title: it["Properties"] for title, it in resources.items() if it["Type"] == kind}
