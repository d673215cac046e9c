"""The templates deployed, changed and deleted on moto, as ``moto_bridge`` completes it: see there what that proves.

Both editions go through the same tests. What outlives a stack is decided by the bridge from the templates'
``DeletionPolicy``; moto itself knows only ``Retain``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from calls import REGION, client
from moto import mock_aws
from moto_bridge import bridged
from rehearsal import (
    BUCKET,
    TEMPLATES,
    Account,
    alarms_of_ours,
    buckets,
    endpoints,
    fill,
    hosted_zone,
    records,
    url,
)

ALARMS = 16
"""Without the one for bursting."""


def cleaner(name: str) -> set[str]:
    return {name, f"{name}Function", f"{name}Logs", f"{name}Role"}


def numbered(name: str, first: int, last: int) -> set[str]:
    return {f"{name}{index}" for index in range(first, last + 1)}


OPTIONAL = {
    "TokensSecret",
    *("PublisherRotation", "ReaderRotation", "RotationAlarm", "RotationPermission"),
    *("RotationFunction", "RotationLogs", "RotationRole"),
    *cleaner("AccessLogsCleaner"),
    *cleaner("GroupCleaner"),
    *cleaner("VaultCleaner"),
    *numbered("MountTarget", 3, 7),
    "FailedBackupCopy",
    "FileSystemBurstCreditAlarm",
    "ForwardMoreRule",
    "HostExtraPermissions",
    "HttpListener",
    "PublisherSecretReaders",
    "ReaderSecretReaders",
    "SecretKeyPermissions",
    "TaskIngress",
    "TaskSecurityGroup",
    "TaskExecPermissions",
    "WebAclAssociation",
}
"""What is not there with two subnets, two addresses and otherwise the defaults."""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # For the custom resources' own clients.
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws(), bridged():
        yield


@pytest.fixture(params=["nested", "single"])
def account(aws: None, request: pytest.FixtureRequest) -> Account:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for path in TEMPLATES.glob("*.yaml"):
        # Publishing makes the URLs absolute.
        body = re.sub(r"(TemplateURL: )(\S+)", lambda match: match[1] + url(match[2]), path.read_text())
        s3.put_object(Bucket=BUCKET, Key=path.name, Body=body.encode())
    subnets = [subnet["SubnetId"] for subnet in client("ec2").describe_subnets()["Subnets"]]
    return Account(
        edition=request.param,
        subnets=subnets,
        settings={
            "VpcId": client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"],
            "LoadBalancerSubnets": ",".join(subnets[:2]),
            "AsgSubnets": ",".join(subnets[:2]),
            "HostedZoneName": "example.com",
            "HostedZoneId": hosted_zone(),
            "IngressCidrs": "203.0.113.0/24",
            "AlarmEmails": "ann@example.com,bob@example.com",
            "DnsNames": "pypi,packages",
        },
    )


def test_required_settings_suffice(account: Account) -> None:
    outputs = account.create()

    missing, there = account.declared() - OPTIONAL - set(account.physical), set(account.physical) & OPTIONAL
    assert not missing, f"{sorted(missing)} is not made by default: is it one of OPTIONAL?"
    assert not there, f"{sorted(there)} is made by default: take it out of OPTIONAL"
    assert outputs["PypiServerUrls"] == "https://pypi.example.com,https://packages.example.com"
    assert outputs["CapacityInfo"] == "2 to 10 tasks of 512 MiB on 2 or more x t3.small"
    assert outputs["TaskMinCount"] == "2"
    assert outputs["FileSystemId"] == account.physical["FileSystem"]
    assert outputs["PypiUserSecretArn"] in outputs["CredentialsCommand"]
    assert endpoints(outputs["CloudwatchAlarmSnsTopicArn"]) == {"ann@example.com", "bob@example.com"}
    names = ("pypi.example.com", "packages.example.com")
    assert records(account.settings["HostedZoneId"]) == {(name, kind) for name in names for kind in ("A", "CAA")}

    alarms = alarms_of_ours()
    assert set(outputs["CloudwatchAlarmArns"].split(",")) == {alarm["AlarmArn"] for alarm in alarms}
    assert len(alarms) == ALARMS


def test_outputs_name_what_is_there(account: Account) -> None:
    """Each service knows the resource that the stack's output names."""
    outputs = account.create()

    cluster, name = outputs["EcsClusterName"], outputs["EcsServiceName"]
    (service,) = client("ecs").describe_services(cluster=cluster, services=[name])["services"]
    assert service["serviceArn"] == outputs["EcsServiceArn"]
    (group,) = client("elbv2").describe_target_groups()["TargetGroups"]
    assert [it["targetGroupArn"] for it in service["loadBalancers"]] == [group["TargetGroupArn"]]
    assert group["LoadBalancerArns"] == [outputs["PypiLoadBalancerArn"]]
    (balancer,) = client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert balancer["DNSName"] == outputs["LoadBalancerDnsName"]
    assert balancer["CanonicalHostedZoneId"] == outputs["LoadBalancerHostedZoneId"]
    (hosts,) = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert hosts["AutoScalingGroupName"] == outputs["AsgName"]
    assert hosts["MinSize"] == 2
    groups = client("logs").describe_log_groups()["logGroups"]
    assert outputs["TaskLogGroup"] in {it["logGroupName"] for it in groups}
    (board,) = client("cloudwatch").list_dashboards()["DashboardEntries"]
    assert outputs["CloudwatchDashboardUrl"].endswith(f"#dashboards/dashboard/{board['DashboardName']}")
    secret = client("secretsmanager").get_secret_value(SecretId=outputs["PypiUserSecretArn"])
    assert re.fullmatch(r'\{"username": "publisher", "password": "[A-Za-z0-9]{32}"\}', secret["SecretString"])


def test_every_option_at_once(account: Account) -> None:
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'
    acl = client("wafv2").create_web_acl(
        Name="acl",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig={"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "acl"},
    )
    outputs = account.deploy(
        AccessLogForceDestroy="true",
        AlarmEmails=",".join(f"{index}@example.com" for index in range(10)),
        AlarmTopicArns=f"arn:aws:sns:{REGION}:123456789012:pager",
        AsgSubnets=",".join(account.subnets[:6]),
        BackupCopyVaultArn="arn:aws:backup:eu-west-1:123456789012:backup-vault:copies",
        BackupKmsKeyArn=client("kms").create_key()["KeyMetadata"]["Arn"],
        BackupMonthlyRetentionDays="365",
        BackupWeeklyRetentionDays="35",
        BackupsForceDestroy="true",
        DnsNames=",".join(f"n{index}" for index in range(10)),
        EfsKmsKeyArn=client("kms").create_key()["KeyMetadata"]["Arn"],
        EfsThroughputMode="bursting",
        EnableExecuteCommand="true",
        ExtraInstanceProfilePermissions=policy,
        ExtraManagedPolicyArns="arn:aws:iam::aws:policy/ReadOnlyAccess",
        HttpRedirect="true",
        LoadBalancerIpAddressType="dualstack",
        ManagedTerminationProtection="ENABLED",
        PasswordRotationDays="30",
        Tokens="true",
        SecretKmsKeyArn=client("kms").create_key()["KeyMetadata"]["Arn"],
        SecretReaders="arn:aws:iam::123456789012:role/ci,arn:aws:iam::123456789012:role/dev",
        WebAclArn=acl["Summary"]["ARN"],
    )

    # Seven subnets cannot be in as many zones: the seventh slot is there to be refused.
    assert set(account.physical) == account.declared() - {"MountTarget7", "TaskIngress", "TaskSecurityGroup"}
    assert outputs["PypiServerUrls"].split(",") == [f"https://n{index}.example.com" for index in range(10)]
    assert {kind for _, kind in records(account.settings["HostedZoneId"])} == {"A", "AAAA", "CAA"}
    assert len(client("efs").describe_mount_targets(FileSystemId=outputs["FileSystemId"])["MountTargets"]) == 6
    assert {alarm["AlarmActions"][1] for alarm in alarms_of_ours()} == {account.settings["AlarmTopicArns"]}


HOSTS = {
    *(
        "AutoScalingGroup",
        "CapacityProvider",
        "CpuCreditAlarm",
        "FailedHosts",
        "HostCpuAlarm",
        "HostIngress",
        "HostLogs",
    ),
    *("HostProfile", "HostRole", "HostSecurityGroup", "LaunchTemplate", "LogAgentExecutionRole", "LogAgentRole"),
    *("LogAgentService", "LogAgentTaskDefinition", "LostHostsAlarm"),
}


@pytest.mark.slow
@pytest.mark.parametrize("capacity", ["fargate", "fargate-spot"])
def test_without_hosts_it_is_made_changed_and_deleted(account: Account, capacity: str) -> None:
    outputs = account.deploy(Capacity=capacity)

    assert set(account.physical) == (account.declared() - OPTIONAL - HOSTS) | {"TaskSecurityGroup", "TaskIngress"}
    cluster, name = outputs["EcsClusterName"], outputs["EcsServiceName"]
    (service,) = client("ecs").describe_services(cluster=cluster, services=[name])["services"]
    (group,) = client("elbv2").describe_target_groups()["TargetGroups"]
    assert group["TargetType"] == "ip"
    assert [it["targetGroupArn"] for it in service["loadBalancers"]] == [group["TargetGroupArn"]]
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    assert network["subnets"] == account.subnets[:2]
    assert network["securityGroups"] == [account.physical["TaskSecurityGroup"]]
    assert client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert len(alarms_of_ours()) == ALARMS - 3

    before = dict(account.physical)
    other = {"fargate": "fargate-spot", "fargate-spot": "fargate"}[capacity]
    outputs = account.deploy(Capacity=other, TaskMaxCount="20")
    assert outputs["CapacityInfo"] == f"2 to 20 tasks of 512 MiB on {other} X86_64"
    assert before.keys() == account.physical.keys()
    assert before["TargetGroup"] == account.physical["TargetGroup"]

    account.delete()
    assert [it["status"] for it in client("ecs").describe_clusters(clusters=[cluster])["clusters"]] == ["INACTIVE"]


@pytest.mark.slow
@pytest.mark.parametrize("capacity", ["ec2", "fargate"])
def test_within_walls(account: Account, capacity: str) -> None:
    """A network without NAT gateways, an internal load balancer, a private zone, and images of the account's own."""
    cloudformation = client("cloudformation")
    given = {"NatGateways": "none", "Capacity": capacity}
    cloudformation.create_stack(
        StackName="network",
        TemplateURL=url("network.yaml"),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )
    (walls,) = cloudformation.describe_stacks(StackName="network")["Stacks"]
    network = {it["OutputKey"]: it["OutputValue"] for it in walls["Outputs"]}
    ours = account.settings | network | {"LoadBalancerSubnets": network["AsgSubnets"]}
    private = (
        client("route53")
        .create_hosted_zone(
            Name="example.com",
            CallerReference="private",
            VPC={"VPCRegion": REGION, "VPCId": network["VpcId"]},
            HostedZoneConfig={"PrivateZone": True},
        )["HostedZone"]["Id"]
        .removeprefix("/hostedzone/")
    )
    registry = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
    account.settings = ours | {
        "HostedZoneId": private,
        "CertificateHostedZoneId": ours["HostedZoneId"],
        "LoadBalancerScheme": "internal",
        "ContainerImage": f"{registry}/pypiserver/pypiserver:v2.4.2",
        "CloudWatchAgentImage": f"{registry}/pypiserver/cloudwatch-agent:1",
        "Capacity": capacity,
    }
    outputs = account.deploy()
    (balancer,) = client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert (balancer["Scheme"], balancer["VpcId"]) == ("internal", network["VpcId"])
    assert {name for name, kind in records(private) if kind == "A"} == {"pypi.example.com", "packages.example.com"}
    tasks = client("ecs").list_task_definitions()["taskDefinitionArns"]
    images = {
        it["image"]
        for arn in tasks
        for it in client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"]
    }
    assert images
    assert all(image.startswith(registry) for image in images)
    assert len(images) == (2 if capacity == "ec2" else 1)
    targets = client("efs").describe_mount_targets(FileSystemId=outputs["FileSystemId"])["MountTargets"]
    assert {it["SubnetId"] for it in targets} == set(network["AsgSubnets"].split(","))
    account.delete()


def test_foreign_zone_and_existing_file_system(account: Account) -> None:
    """The server's account has the certificate's ARN and the file system; the zone's account gets dns.yaml."""
    zone = account.settings.pop("HostedZoneId")
    certificate = client("acm").request_certificate(DomainName="*.example.com")["CertificateArn"]
    packages = client("efs").create_file_system()["FileSystemId"]

    server = account.deploy(CertificateArn=certificate, ExistingFileSystemId=packages)

    elsewhere = {"Certificate", "CertificateAuthorityRecords", "FileSystem", "Records"}
    assert set(account.physical) == account.declared() - OPTIONAL - elsewhere
    assert server["FileSystemId"] == packages
    listeners = client("elbv2").describe_listeners(LoadBalancerArn=server["PypiLoadBalancerArn"])["Listeners"]
    assert [it["CertificateArn"] for it in listeners[0]["Certificates"]] == [certificate]
    assert records(zone) == set()

    names = {key: account.settings[key] for key in ("HostedZoneName", "DnsNames")}
    handed_over = {key: server[key] for key in ("LoadBalancerDnsName", "LoadBalancerHostedZoneId")}
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName="dns",
        TemplateURL=url("dns.yaml"),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in {**names, **handed_over, "HostedZoneId": zone, "CaaRecords": "true"}.items()
        ],
    )
    hosts = ("pypi.example.com", "packages.example.com")
    assert records(zone) == {(host, kind) for host in hosts for kind in ("A", "CAA")}
    cloudformation.delete_stack(StackName="dns")
    assert records(zone) == set()


def test_update_changes_what_it_says(account: Account) -> None:
    account.create()
    before = dict(account.physical)

    outputs = account.deploy(
        AlarmEmails="ann@example.com,cyd@example.com,dan@example.com",
        EnableCloudwatchDashboard="false",
        EnableEfsBackup="false",
        TaskMaxCount="20",
    )

    gone = {"BackupPlan", "BackupRole", "BackupSelection", "Dashboard"}
    gone |= {"FailedBackup", "FailedRestore", "MissingBackupAlarm"}
    assert set(before) - set(account.physical) == gone
    assert account.physical.items() <= before.items()

    assert endpoints(outputs["CloudwatchAlarmSnsTopicArn"]) == {"ann@example.com", "cyd@example.com", "dan@example.com"}
    assert outputs["CloudwatchDashboardUrl"] == ""
    assert client("cloudwatch").list_dashboards()["DashboardEntries"] == []
    scaling = client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
    assert [target["MaxCapacity"] for target in scaling["ScalableTargets"]] == [20]
    assert outputs["CapacityInfo"].startswith("2 to 20 tasks")
    backup = client("backup")
    assert backup.list_backup_plans()["BackupPlansList"] == []
    assert [vault["BackupVaultName"] for vault in backup.list_backup_vaults()["BackupVaultList"]] == [
        before["BackupVault"]
    ]

    account.deploy(EnableEfsBackup="true")
    assert account.physical["BackupVault"] == before["BackupVault"]
    assert len(backup.list_backup_plans()["BackupPlansList"]) == 1


@pytest.mark.slow
def test_packages_credentials_backups_and_logs_survive_the_stack_and_nothing_else(account: Account) -> None:
    outputs = account.create()
    fill(account.physical["AccessLogs"])

    account.delete()

    assert buckets() == {account.physical["AccessLogs"]}
    assert len(client("s3").list_object_versions(Bucket=account.physical["AccessLogs"])["Versions"]) == 2
    systems = client("efs").describe_file_systems()["FileSystems"]
    assert [it["FileSystemId"] for it in systems] == [outputs["FileSystemId"]]
    vaults = client("backup").list_backup_vaults()["BackupVaultList"]
    assert [it["BackupVaultName"] for it in vaults] == [account.physical["BackupVault"]]
    assert client("secretsmanager").get_secret_value(SecretId=outputs["PypiUserSecretArn"])["SecretString"]
    assert client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert client("elbv2").describe_target_groups()["TargetGroups"] == []
    assert client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    clusters = client("ecs").describe_clusters(clusters=client("ecs").list_clusters()["clusterArns"])
    assert {it["status"] for it in clusters["clusters"]} <= {"INACTIVE"}
    assert client("iam").list_roles()["Roles"] == []
    groups_of_logs = client("logs").describe_log_groups()["logGroups"]
    assert [it["logGroupName"] for it in groups_of_logs] == [account.physical["TaskLogs"]]
    assert client("sns").list_topics()["Topics"] == []
    assert client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert client("events").list_rules()["Rules"] == []
    assert records(account.settings["HostedZoneId"]) == set()
    groups = client("ec2").describe_security_groups()["SecurityGroups"]
    assert {group["GroupName"] for group in groups} == {"default"}


def test_turning_forced_destruction_off_destroys_nothing(account: Account) -> None:
    """The update removes the cleaner, which thereby gets its Delete request."""
    account.create(AccessLogForceDestroy="true", ManagedTerminationProtection="ENABLED")
    fill(account.physical["AccessLogs"])

    outputs = account.deploy(AccessLogForceDestroy="false", ManagedTerminationProtection="DISABLED")

    assert len(client("s3").list_object_versions(Bucket=account.physical["AccessLogs"])["Versions"]) == 2
    (group,) = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert group["AutoScalingGroupName"] == outputs["AsgName"]


def test_what_the_operator_gave_up_goes_with_the_stack(account: Account) -> None:
    """Access logs, if told so, and hosts that nothing else may scale in."""
    account.create(AccessLogForceDestroy="true", ManagedTerminationProtection="ENABLED")
    fill(account.physical["AccessLogs"])
    (group,) = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert {host["ProtectedFromScaleIn"] for host in group["Instances"]} == {True}

    account.delete()

    assert buckets() == set()
    assert client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
