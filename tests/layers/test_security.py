"""Each security claim about network, hosts, tasks and data, on the resolved resources of the least and the fullest
deployment. Permissions have test_permissions.py."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from deployments import Editions, everything, of_type
from resolve import Data

from generator.parts.container_program import packed


def _properties(resources: Data, title: str) -> Data:
    properties: Data = resources[title]["Properties"]
    return properties


def _ingress(resources: Data) -> list[tuple[str, Data]]:
    """Every ingress rule with the logical ID of its group."""
    inline = [
        (title, rule)
        for title, group in of_type(resources, "AWS::EC2::SecurityGroup").items()
        for rule in group.get("SecurityGroupIngress", [])
    ]
    alone = of_type(resources, "AWS::EC2::SecurityGroupIngress").values()
    return inline + [(rule["GroupId"].strip("<>"), rule) for rule in alone]


def _egress(resources: Data) -> list[tuple[str, Data]]:
    """Every egress rule with the logical ID of its group, which has all of them."""
    assert not of_type(resources, "AWS::EC2::SecurityGroupEgress")
    groups = of_type(resources, "AWS::EC2::SecurityGroup").items()
    return [(title, rule) for title, group in groups for rule in group["SecurityGroupEgress"]]


def test_only_the_load_balancer_admits_addresses_and_only_on_its_ports(resources: Data) -> None:
    addresses = {"CidrIp", "CidrIpv6"}
    open_to_addresses = [(group, rule) for group, rule in _ingress(resources) if addresses & rule.keys()]
    assert open_to_addresses
    for group, rule in open_to_addresses:
        addressed = addresses & rule.keys()
        assert group == "LoadBalancerSecurityGroup"
        ports = (rule["IpProtocol"], rule["FromPort"], rule["ToPort"])
        # ICMP: fragmentation needed (type 3 code 4) and packet too big (type 2), which path MTU discovery needs.
        path_mtu = {"CidrIp": ("icmp", 3, 4), "CidrIpv6": ("icmpv6", 2, 0)}
        assert ports in {("tcp", 80, 80), ("tcp", 443, 443), path_mtu[addressed.pop()]}


def test_hosts_take_traffic_from_the_load_balancer_only_on_dynamic_ports(resources: Data) -> None:
    (rule,) = [rule for group, rule in _ingress(resources) if group == "HostSecurityGroup"]
    assert rule["SourceSecurityGroupId"] == "<LoadBalancerSecurityGroup>"
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 32768, 65535)


def test_no_port_for_a_remote_shell_is_open(resources: Data) -> None:
    assert _ingress(resources)
    for group, rule in _ingress(resources):
        assert rule["IpProtocol"] != "-1", group
        if rule["IpProtocol"] == "tcp":
            assert not any(rule["FromPort"] <= port <= rule["ToPort"] for port in (22, 23, 3389)), group


def test_each_rule_names_one_source_or_destination(resources: Data) -> None:
    """EC2 refuses others: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupEgress.html."""
    named = {"CidrIp", "CidrIpv6"} | {
        f"{end}{it}" for end in ("Source", "Destination") for it in ("PrefixListId", "SecurityGroupId")
    }
    rules = _ingress(resources) + _egress(resources)
    assert rules
    for group, rule in rules:
        assert len(named & rule.keys()) == 1, (group, rule)


def test_hosts_reach_whatever_the_operator_lets_them(resources: Data) -> None:
    """Images, AWS's APIs and mirrors have no addresses that are known beforehand."""
    (rule,) = _properties(resources, "HostSecurityGroup")["SecurityGroupEgress"]
    assert (rule["IpProtocol"], rule["CidrIp"]) == ("-1", "0.0.0.0/0")


def test_the_file_system_takes_nfs_from_the_hosts_and_starts_nothing(resources: Data) -> None:
    (rule,) = [rule for group, rule in _ingress(resources) if group == "FileSystemSecurityGroup"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 2049, 2049)
    assert rule["SourceSecurityGroupId"] == "<HostSecurityGroup>"
    egress = _properties(resources, "FileSystemSecurityGroup")["SecurityGroupEgress"]
    assert [rule["CidrIp"] for rule in egress] == ["127.0.0.1/32"], "an empty list would be AWS's default: anywhere"


def test_the_load_balancer_reaches_the_hosts_and_nothing_else(resources: Data) -> None:
    (rule,) = _properties(resources, "LoadBalancerSecurityGroup")["SecurityGroupEgress"]
    assert rule["DestinationSecurityGroupId"] == "<HostSecurityGroup>"
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 32768, 65535)


def test_each_group_is_on_its_own_resource(resources: Data) -> None:
    """Wires of one kind may be confused where their kinds cannot tell."""
    assert _properties(resources, "LoadBalancer")["SecurityGroups"] == ["<LoadBalancerSecurityGroup>"]
    data = _properties(resources, "LaunchTemplate")["LaunchTemplateData"]
    assert data["SecurityGroupIds"] == ["<HostSecurityGroup>"]
    targets = of_type(resources, "AWS::EFS::MountTarget")
    assert targets
    assert all(target["SecurityGroups"] == ["<FileSystemSecurityGroup>"] for target in targets.values())


def test_hosts_have_imdsv2_out_of_reach_of_containers_and_encrypted_volumes(resources: Data) -> None:
    data = _properties(resources, "LaunchTemplate")["LaunchTemplateData"]
    assert data["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }
    assert data["BlockDeviceMappings"]
    assert all(it["Ebs"]["Encrypted"] is True for it in data["BlockDeviceMappings"])
    assert "KeyName" not in data
    assert not any(it.get("AssociatePublicIpAddress") for it in data.get("NetworkInterfaces", []))


def test_hosts_are_replaced_within_a_month(resources: Data) -> None:
    assert 86400 <= _properties(resources, "AutoScalingGroup")["MaxInstanceLifetime"] <= 31 * 86400


def test_the_agent_refuses_privileged_containers(resources: Data) -> None:
    assert "ECS_DISABLE_PRIVILEGED=true" in _user_data(resources)


def _user_data(resources: Data) -> str:
    data = _properties(resources, "LaunchTemplate")["LaunchTemplateData"]
    return base64.b64decode(data["UserData"]).decode()


def test_the_file_system_is_encrypted_and_refuses_clear_text(resources: Data) -> None:
    properties = _properties(resources, "FileSystem")
    assert properties["Encrypted"] is True
    (statement,) = properties["FileSystemPolicy"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == {"AWS": "*"}
    assert statement["Action"] == ["*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_access_point_imposes_the_servers_user(resources: Data) -> None:
    properties = _properties(resources, "AccessPoint")
    assert properties["PosixUser"] == {"Uid": "9898", "Gid": "9898"}
    assert properties["RootDirectory"]["Path"] != "/"


@pytest.mark.parametrize("shell", ["false", "true"])
def test_the_server_runs_with_the_least_it_needs(editions: Editions, shell: str) -> None:
    resources = editions.nested({"EnableExecuteCommand": shell}).resources
    (container,) = _properties(resources, "TaskDefinition")["ContainerDefinitions"]
    assert container["User"] == "9898:9898"
    assert container["Privileged"] is False
    # ECS Exec writes its agent into the container.
    assert container["ReadonlyRootFilesystem"] is (shell == "false")
    assert str(_properties(resources, "Service")["EnableExecuteCommand"]).lower() == shell
    linux = container["LinuxParameters"]
    assert linux["Capabilities"] == {"Drop": ["ALL"]}
    assert linux["InitProcessEnabled"] is True
    for tmpfs in linux["Tmpfs"]:
        assert {"noexec", "nosuid", "nodev"} <= set(tmpfs["MountOptions"])
    assert [port.get("HostPort", 0) for port in container["PortMappings"]] == [0], "Docker chooses"


def test_no_task_shares_the_hosts_network_or_processes(resources: Data) -> None:
    tasks = of_type(resources, "AWS::ECS::TaskDefinition")
    assert tasks.keys() == {"TaskDefinition", "LogAgentTaskDefinition"}
    for task in tasks.values():
        assert task["NetworkMode"] == "bridge"
        assert not {"PidMode", "IpcMode"} & task.keys()
        for container in task["ContainerDefinitions"]:
            assert container["Privileged"] is False
            assert container["LogConfiguration"]["LogDriver"] == "awslogs"


def test_the_log_agent_cannot_write_to_the_host(resources: Data) -> None:
    task = _properties(resources, "LogAgentTaskDefinition")
    mounted = {volume["Name"] for volume in task["Volumes"] if "Host" in volume}
    points = task["ContainerDefinitions"][0]["MountPoints"]
    assert {point["SourceVolume"] for point in points} == mounted
    assert all(point["ReadOnly"] is True for point in points)


def test_packages_are_mounted_through_the_access_point_with_tls_and_a_role(resources: Data) -> None:
    (volume,) = _properties(resources, "TaskDefinition")["Volumes"]
    efs = volume["EFSVolumeConfiguration"]
    assert efs["TransitEncryption"] == "ENABLED"
    assert efs["AuthorizationConfig"] == {"AccessPointId": "<AccessPoint>", "IAM": "ENABLED"}
    # With an access point ECS takes no other root than "/", which is the access point's own.
    assert efs.get("RootDirectory", "/") == "/"


@pytest.mark.parametrize(
    ("reader", "accounts"), [("true", ["PublisherSecret", "ReaderSecret"]), ("false", ["PublisherSecret"])]
)
def test_passwords_are_nowhere_but_in_their_secrets(editions: Editions, reader: str, accounts: list[str]) -> None:
    resources = editions.nested({"ReaderAccount": reader}).resources
    secrets = of_type(resources, "AWS::SecretsManager::Secret")
    assert of_type(
        editions.nested({"Tokens": "true"}).resources, "AWS::SecretsManager::Secret"
    ).keys() - secrets.keys() == {"TokensSecret"}
    (container,) = _properties(resources, "TaskDefinition")["ContainerDefinitions"]
    assert [it["ValueFrom"] for it in container["Secrets"]] == [
        f"<{packed().secret}>",
        *(f"<{title}>:{field}::" for title in accounts for field in ("username", "password")),
    ]
    for title in ("PublisherSecret", "ReaderSecret"):
        secret = secrets[title]
        assert "SecretString" not in secret
        assert secret["GenerateSecretString"]["PasswordLength"] >= 32
        assert json.loads(secret["GenerateSecretString"]["SecretStringTemplate"]).keys() == {"username"}
        # Its ARN tells nothing.
        environment = [it for it in container["Environment"] if it["Value"] != f"<{title}>"]
        for elsewhere in (environment, container.get("Command"), _user_data(resources)):
            assert title not in json.dumps(elsewhere)
    for template in editions.templates.values():
        assert "{{resolve:" not in json.dumps(template), "a dynamic reference puts the value where it stands"


def test_outputs_name_the_secrets_but_do_not_tell_them(editions: Editions) -> None:
    outputs = editions.nested().outputs
    secrets = {name: value for name, value in outputs.items() if "Secret>" in value}
    assert secrets.pop("CredentialsCommand").startswith("aws secretsmanager get-secret-value ")
    assert secrets == {"PypiUserSecretArn": "<PublisherSecret>", "ReaderSecretArn": "<ReaderSecret>"}
    assert not any("password" in value.lower() for value in outputs.values())


def test_no_parameter_asks_for_a_password(editions: Editions) -> None:
    for name, parameter in editions.parent["Parameters"].items():
        assert "NoEcho" not in parameter, name
        if "password" in name.lower():
            assert re.fullmatch(parameter["AllowedPattern"], "secret") is None, "a number of days or hours"


def test_the_log_bucket_is_private_versioned_encrypted_and_forgets(resources: Data) -> None:
    bucket = _properties(resources, "AccessLogs")
    block = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(block, True)
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert int(rule["ExpirationInDays"]) > 0
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] > 0
    statements = _properties(resources, "AccessLogsPolicy")["PolicyDocument"]["Statement"]
    (deny,) = [statement for statement in statements if statement["Effect"] == "Deny"]
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert deny["Principal"] == {"AWS": "*"}
    assert deny["Action"] == ["s3:*"]
    assert set(deny["Resource"]) == {"<AccessLogs.Arn>", "<AccessLogs.Arn>/*"}


def test_port_80_is_closed_unless_it_redirects(editions: Editions) -> None:
    """A client with an http:// URL has sent its password before it sees the redirect."""
    closed, redirecting = (editions.nested({"HttpRedirect": it}).resources for it in ("false", "true"))
    assert "HttpListener" not in closed
    (redirect,) = _properties(redirecting, "HttpListener")["DefaultActions"]
    assert redirect["RedirectConfig"] == {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    admitted = [
        {rule["FromPort"] for rule in _properties(it, "LoadBalancerSecurityGroup")["SecurityGroupIngress"]}
        for it in (closed, redirecting)
    ]
    assert [80 in ports for ports in admitted] == [False, True]
    assert all(443 in ports for ports in admitted)


def test_clients_speak_tls_1_2_or_newer_to_names_of_ours(resources: Data) -> None:
    https = _properties(resources, "HttpsListener")
    assert https["Protocol"] == "HTTPS"
    assert https["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2-Res-")
    assert [action["Type"] for action in https["DefaultActions"]] == ["fixed-response"]
    for rule in of_type(resources, "AWS::ElasticLoadBalancingV2::ListenerRule").values():
        assert rule["ListenerArn"] == "<HttpsListener>", "nothing is forwarded in clear text"


def _attributes(resources: Data) -> dict[str, Any]:
    return {it["Key"]: it["Value"] for it in _properties(resources, "LoadBalancer")["LoadBalancerAttributes"]}


def test_the_load_balancer_drops_what_is_malformed_and_logs_the_rest(resources: Data) -> None:
    attributes = _attributes(resources)
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes["routing.http.desync_mitigation_mode"] in ("defensive", "strictest")
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == "<AccessLogs>"


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_deletion_protection_is_the_operators(editions: Editions, wanted: str) -> None:
    resources = editions.nested({"DeletionProtection": wanted}).resources
    assert _attributes(resources)["deletion_protection.enabled"] == wanted


def test_every_log_group_forgets_and_takes_the_operators_key(editions: Editions) -> None:
    given = {name: value for name, value in everything().items() if name != "SecretKmsKeyArn"}
    groups = of_type(editions.nested(given).resources, "AWS::Logs::LogGroup")
    assert groups.keys() == of_type(editions.single_file["Resources"], "AWS::Logs::LogGroup").keys()
    for title, group in groups.items():
        assert group["RetentionInDays"] == given["LogRetentionDays"], title
        assert group["KmsKeyId"] == given["LogKmsKeyArn"], title
    given = {"SecretKmsKeyArn": everything()["SecretKmsKeyArn"]}
    for title, group in of_type(editions.nested(given).resources, "AWS::Logs::LogGroup").items():
        assert group["RetentionInDays"] == "365", title
        assert "KmsKeyId" not in group


def test_functions_log_to_groups_of_ours(editions: Editions) -> None:
    """Lambda would make a group of its own that never forgets and outlives the stack."""
    functions = of_type(editions.nested(everything()).resources, "AWS::Lambda::Function")
    assert functions.keys() == of_type(editions.single_file["Resources"], "AWS::Lambda::Function").keys()
    for function in functions.values():
        assert function["LoggingConfig"]["LogGroup"].strip("<>").endswith("Logs")


def test_the_web_acl_stands_before_the_load_balancer(editions: Editions) -> None:
    values = {"WebAclArn": everything()["WebAclArn"]}
    association = _properties(editions.nested(values).resources, "WebAclAssociation")
    assert association == {"ResourceArn": "<LoadBalancer>", "WebACLArn": values["WebAclArn"]}
