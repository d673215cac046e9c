"""Who may talk to whom, and who may know the password: security groups, the hosts' role, the credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from awacs import secretsmanager
from awacs.aws import Allow, AWSPrincipal, Statement
from troposphere import GetAtt, Ref, Split, Sub
from troposphere.ec2 import SecurityGroup, SecurityGroupIngress
from troposphere.iam import InstanceProfile, Policy
from troposphere.secretsmanager import GenerateSecretString, ResourcePolicy, Secret

from generator import conditions, kinds, settings
from generator.language.retention import RETAIN_EXCEPT_ON_CREATE
from generator.language.slots import appended
from generator.language.wiring import Stack, Wire
from generator.parts.iam import document, managed, role
from generator.parts.lists import CIDRS, IPV6_CIDRS
from generator.parts.rotation import rotation
from generator.parts.tags import tags
from server import contract

SERVER_PORT = (contract.PORT.default, contract.PORT.default)
DYNAMIC_PORTS = (32768, 65535)
"""Where Docker on the ECS-optimised image publishes a container port that asks for host port 0."""
NFS_PORT = 2049
_NOWHERE = {"IpProtocol": "-1", "CidrIp": "127.0.0.1/32", "Description": "no outbound connections"}


@dataclass(frozen=True, kw_only=True)
class Security:
    load_balancer_group: Wire[kinds.SecurityGroupId]
    host_group: Wire[kinds.SecurityGroupId]
    task_group: Wire[kinds.SecurityGroupId]
    file_system_group: Wire[kinds.SecurityGroupId]
    host_profile: Wire[kinds.InstanceProfileArn]
    publisher: Wire[kinds.SecretArn]
    reader: Wire[kinds.SecretArn]
    tokens: Wire[kinds.TokensSecretArn]
    credentials_command: Wire[kinds.Text]
    rotation_function: Wire[kinds.FunctionName]


def security(stack: Stack) -> Security:
    """Security groups that refer to each other, the hosts' instance profile, the credentials of both accounts."""
    # Images, AWS APIs, mirrors, proxies and a VPC's own resolvers: the operator decides on their ports.
    anywhere = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0", "Description": "anywhere"}
    with_hosts, with_fargate = stack.only(conditions.IS_EC2), stack.only(conditions.IS_FARGATE)
    hosts = _group(with_hosts, "HostSecurityGroup", "hosts", egress=[anywhere])
    tasks = _group(with_fargate, "TaskSecurityGroup", "tasks", egress=[anywhere])
    load_balancer = _group(
        stack,
        "LoadBalancerSecurityGroup",
        "load-balancer",
        ingress=_public_ingress(stack),
        egress=[
            stack.if_(
                conditions.IS_EC2,
                _tcp(DYNAMIC_PORTS, "tasks on the hosts", DestinationSecurityGroupId=Ref(hosts)),
                _tcp(SERVER_PORT, "tasks", DestinationSecurityGroupId=Ref(tasks)),
            )
        ],
    )
    with_hosts.add(
        SecurityGroupIngress(
            "HostIngress",
            GroupId=Ref(hosts),
            **_tcp(DYNAMIC_PORTS, "tasks from the load balancer", SourceSecurityGroupId=Ref(load_balancer)),
        )
    )
    with_fargate.add(
        SecurityGroupIngress(
            "TaskIngress",
            GroupId=Ref(tasks),
            **_tcp(SERVER_PORT, "the load balancer", SourceSecurityGroupId=Ref(load_balancer)),
        )
    )
    file_system = _file_system_group(stack, hosts, tasks)
    publisher = _credentials(stack, "PublisherSecret", "PublisherSecretReaders", "publisher")
    # Exists even while ReaderAccount is false, so that the password is the same when it is turned on again.
    reader = _credentials(stack, "ReaderSecret", "ReaderSecretReaders", "reader")
    with_rotation = stack.only(conditions.HAS_ROTATION)
    rotates = rotation(
        with_rotation,
        {
            "PublisherRotation": (publisher, conditions.HAS_ROTATION),
            "ReaderRotation": (reader, conditions.HAS_READER_ROTATION),
        },
    )
    return Security(
        load_balancer_group=stack.offer(
            "LoadBalancerSecurityGroupId", Ref(load_balancer), "Security group of the load balancer."
        ),
        host_group=with_hosts.offer("HostSecurityGroupId", Ref(hosts), "Security group of the hosts."),
        task_group=with_fargate.offer("TaskSecurityGroupId", Ref(tasks), "Security group of the tasks on Fargate."),
        file_system_group=stack.offer(
            "FileSystemSecurityGroupId", Ref(file_system), "Security group of the file system."
        ),
        host_profile=_host_profile(with_hosts),
        publisher=stack.offer(
            "PypiUserSecretArn", Ref(publisher), "Secret with the username and password of the publisher."
        ),
        reader=stack.offer("ReaderSecretArn", Ref(reader), "Secret of the reader, whom ReaderAccount admits."),
        tokens=_tokens(stack.only(conditions.HAS_TOKENS)),
        credentials_command=stack.offer(
            "CredentialsCommand",
            _credentials_command(publisher),
            "Prints the username and password of the publisher as JSON.",
        ),
        rotation_function=with_rotation.offer(
            "RotationFunctionName", Ref(rotates), "Function that makes new passwords."
        ),
    )


def _group(
    stack: Stack, title: str, noun: str, *, egress: list[object], ingress: list[object] | None = None
) -> SecurityGroup:
    rules: dict[str, Any] = {"SecurityGroupIngress": ingress} if ingress else {}
    return stack.add(
        SecurityGroup(
            title,
            GroupDescription=f"pypiserver {noun.replace('-', ' ')}",
            VpcId=stack.take(settings.VPC_ID),
            **rules,
            SecurityGroupEgress=egress,
            Tags=tags(stack, noun),
        )
    )


def _file_system_group(stack: Stack, hosts: SecurityGroup, tasks: SecurityGroup) -> SecurityGroup:
    from_hosts = _tcp((NFS_PORT, NFS_PORT), "NFS from the hosts", SourceSecurityGroupId=Ref(hosts))
    from_tasks = _tcp((NFS_PORT, NFS_PORT), "NFS from the tasks", SourceSecurityGroupId=Ref(tasks))
    return _group(
        stack,
        "FileSystemSecurityGroup",
        "file-system",
        ingress=[stack.if_(conditions.IS_EC2, from_hosts, from_tasks)],
        egress=[_NOWHERE],
    )


def _credentials_command(secret: Secret) -> Sub:
    return Sub(
        "aws secretsmanager get-secret-value --region ${AWS::Region} --secret-id ${Secret}"
        " --query SecretString --output text",
        Secret=Ref(secret),
    )


def _tcp(ports: tuple[int, int], description: str, **peer: object) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": ports[0], "ToPort": ports[1], "Description": description, **peer}


def _public_ingress(stack: Stack) -> list[object]:
    """HTTPS, and HTTP if it is redirected, from the operator's ranges, and the ICMP that path MTU discovery needs.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-update-security-groups.html
    """
    dual_stack = conditions.IS_DUAL_STACK
    too_big_v6 = {"FromPort": 2, "ToPort": 0, "Description": "packet too big, from any router"}
    too_big = {"FromPort": 3, "ToPort": 4, "Description": "fragmentation needed, from any router"}
    icmp: list[object] = [
        {"IpProtocol": "icmp", "CidrIp": "0.0.0.0/0", **too_big},
        stack.if_(dual_stack, {"IpProtocol": "icmpv6", "CidrIpv6": "::/0", **too_big_v6}),
    ]

    def both_ports(**peer: object) -> tuple[object, object]:
        http = _tcp((80, 80), "redirect to HTTPS", **peer)
        return stack.if_(conditions.HAS_HTTP, http), _tcp((443, 443), "HTTPS", **peer)

    ipv4 = [slot.only(rule) for slot in CIDRS.of(stack) for rule in both_ports(CidrIp=slot.value)]
    ipv6 = [
        stack.if_(dual_stack, slot.only(rule))
        for slot in IPV6_CIDRS.of(stack)
        for rule in both_ports(CidrIpv6=slot.value)
    ]
    return [*ipv4, *ipv6, *icmp]


def _host_profile(stack: Stack) -> Wire[kinds.InstanceProfileArn]:
    """The hosts' role: ECS agent, Session Manager in place of SSH, and what the operator adds."""
    # Policies within the role: they stay attached until the last host has drained.
    agent_and_shell: list[object] = [managed(name) for name in settings.HOST_POLICIES]
    host_role = role(
        stack,
        "HostRole",
        "hosts",
        trusted="ec2.amazonaws.com",
        policies=[
            stack.if_(
                conditions.HAS_EXTRA_PERMISSIONS,
                Policy(
                    PolicyName="extra-permissions",
                    PolicyDocument=stack.take(settings.EXTRA_INSTANCE_PROFILE_PERMISSIONS),
                ),
            )
        ],
        managed_policies=appended(
            stack, agent_and_shell, settings.EXTRA_MANAGED_POLICY_ARNS, conditions.HAS_EXTRA_POLICIES
        ),
    )
    profile = stack.add(InstanceProfile("HostProfile", Roles=[Ref(host_role)]))
    return stack.offer("HostProfileArn", GetAtt(profile, "Arn"), "Instance profile of the hosts.")


def _credentials(stack: Stack, title: str, readers: str, username: str) -> Secret:
    """The secret ``title``, JSON with ``username`` and a generated ``password``, and its policy ``readers``."""
    secret = stack.add(
        Secret(
            title,
            **RETAIN_EXCEPT_ON_CREATE,
            Description=f"Credentials of the {username} of pypiserver",
            # Changing this makes a new password.
            GenerateSecretString=GenerateSecretString(
                SecretStringTemplate=f'{{"username": "{username}"}}',
                GenerateStringKey="password",
                PasswordLength=32,
                ExcludePunctuation=True,
            ),
            KmsKeyId=stack.if_(conditions.HAS_SECRET_KEY, settings.SECRET_KMS_KEY_ARN),
            Tags=tags(stack, username),
        )
    )
    stack.add(
        ResourcePolicy(
            readers,
            Condition=stack.when(conditions.HAS_SECRET_READERS),
            SecretId=Ref(secret),
            BlockPublicPolicy=True,
            ResourcePolicy=document(
                Statement(
                    Effect=Allow,
                    Principal=AWSPrincipal(Split(",", stack.take(settings.SECRET_READERS))),
                    Action=[secretsmanager.DescribeSecret, secretsmanager.GetSecretValue],
                    Resource=["*"],
                )
            ),
        )
    )
    return secret


def _tokens(stack: Stack) -> Wire[kinds.TokensSecretArn]:
    secret = stack.add(
        Secret(
            "TokensSecret",
            **RETAIN_EXCEPT_ON_CREATE,
            Description="Digests of the tokens of pypiserver, and what each may do",
            # Must never change: CloudFormation would replace all tokens with it.
            SecretString="[]",
            KmsKeyId=stack.if_(conditions.HAS_SECRET_KEY, settings.SECRET_KMS_KEY_ARN),
            Tags=tags(stack, "tokens"),
        )
    )
    return stack.offer("TokensSecretArn", Ref(secret), "Secret with the digests of the tokens; empty without Tokens.")
