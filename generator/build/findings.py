"""Scanner findings on our templates that we leave as they are, and why: the table of docs/security.md.

``make audit`` compares: a finding that is not here fails, and so does an entry that explains nothing any more.
"""

from __future__ import annotations

from typing import NamedTuple


class Explained(NamedTuple):
    rules: tuple[str, ...]
    """IDs of checkov and of cdk-nag, without the pack for what NIST and PCI DSS report alike."""
    resources: tuple[str, ...]
    """Logical IDs; ``*`` stands for any characters, where the reason also holds for future resources."""
    reason: str


EXPLAINED = (
    Explained(
        ("ALBWAFEnabled",),
        ("LoadBalancer",),
        "A web ACL is the operator's choice and is billed by the request: `WebAclArn` puts one in front of the load balancer, such as that of `web-acl.yaml`.",
    ),
    Explained(
        ("WAFv2LoggingEnabled",),
        ("WebAcl",),
        "The load balancer's access logs have every request, with the web ACL's decision; AWS WAF keeps samples.",
    ),
    Explained(
        ("ELBDeletionProtectionEnabled",),
        ("LoadBalancer",),
        "`DeletionProtection`, off by default: with it a failed first deployment cannot roll back. "
        "The load balancer holds no data.",
    ),
    Explained(
        ("ELBv2ACMCertificateRequired",),
        ("HttpListener",),
        "Port 80 answers with a redirect to HTTPS and forwards nothing; the listener on 443 has an ACM certificate.",
    ),
    Explained(
        ("AwsSolutions-EC23",),
        ("LoadBalancerSecurityGroup",),
        "`IngressCidrs` and `IngressIpv6Cidrs` say who may connect, and have no default; every request except the health "
        "check and the exchange of CI's identity tokens needs a password.",
    ),
    Explained(
        ("AwsSolutions-SMG4", "SecretsManagerRotationEnabled"),
        ("TokensSecret",),
        "It holds digests, and keys of trusted publishers that sign tokens of 15 minutes: each is revoked separately.",
    ),
    Explained(
        ("AwsSolutions-SMG4", "SecretsManagerRotationEnabled"),
        ("PublisherSecret", "ReaderSecret"),
        "`PasswordRotationDays`, off by default: with it clients must read the password from Secrets Manager, and those "
        "with a copy are refused one day.",
    ),
    Explained(
        ("AwsSolutions-SMG4", "SecretsManagerRotationEnabled"),
        ("ServerProgram*",),
        "It is not secret: it is the end of the server's program, which does not fit into the task definition.",
    ),
    Explained(
        ("AwsSolutions-IAM5",),
        ("ExecutionRole",),
        "The secrets whose names begin with `ServerProgram`: each program has its own, and during an update tasks of "
        "both start.",
    ),
    Explained(
        ("CKV_AWS_149", "SecretsManagerUsingKMSKey"),
        ("*Secret", "ServerProgram*"),
        "Encrypted under the AWS managed key of Secrets Manager, or your own: `SecretKmsKeyArn`.",
    ),
    Explained(
        ("CKV_AWS_158", "CloudWatchLogGroupEncrypted"),
        ("*Logs",),
        "CloudWatch Logs encrypts every log group under its own key, or under yours with `LogKmsKeyArn`, except `network.yaml`'s flow logs.",
    ),
    Explained(
        ("CKV_AWS_166",),
        ("BackupVault",),
        "Encrypted under the AWS managed key, or your own with `BackupKmsKeyArn`; a vault's key never changes.",
    ),
    Explained(
        ("AwsSolutions-S1", "CKV_AWS_18", "S3BucketLoggingEnabled"),
        ("AccessLogs",),
        "This bucket receives access logs. Its own would need another bucket, and so on.",
    ),
    Explained(
        ("S3BucketReplicationEnabled",),
        ("AccessLogs",),
        "Access logs expire after `LogRetentionDays`, and nothing depends on them. "
        "If you need a copy elsewhere, set up replication to a bucket of yours.",
    ),
    Explained(
        ("S3DefaultEncryptionKMS",),
        ("AccessLogs",),
        "A load balancer can only write its logs under SSE-S3.",
    ),
    Explained(
        ("AwsSolutions-AS3",),
        ("AutoScalingGroup",),
        "Hosts start and stop routinely, and nobody has to act. Alarms report what needs action.",
    ),
    Explained(
        ("AwsSolutions-ECS2",),
        ("TaskDefinition", "LogAgentTaskDefinition"),
        "The variables are settings that reviewers can read. Passwords come from Secrets Manager, through `Secrets`.",
    ),
    Explained(
        ("AwsSolutions-ECS4", "CKV_AWS_65"),
        ("Cluster",),
        "`EnableContainerInsights`: on by default, billed by the metric; the operator can turn it off.",
    ),
    Explained(
        ("AwsSolutions-IAM4",),
        ("HostRole", "ExecutionRole", "LogAgentExecutionRole", "BackupRole", "RestoreRole"),
        "AWS's own policies for the ECS agent, Session Manager, task start and AWS Backup: AWS extends them when those "
        "services need more; a copy would break one day.",
    ),
    Explained(
        ("IAMNoInlinePolicy",),
        ("*Role",),
        "An inline policy belongs to one role, is read with it, and goes with it. A managed one could be attached "
        "to other roles, and changed for all of them.",
    ),
    Explained(
        ("AwsSolutions-IAM5",),
        ("TaskRole",),
        "Only with `EnableExecuteCommand`: the `ssmmessages` actions of ECS Exec have no resources to name.",
    ),
    Explained(
        ("AwsSolutions-IAM5",),
        ("AccessLogsCleanerRole", "GroupCleanerRole"),
        "All objects of the one bucket; the generated part of the one group's ARN. `autoscaling:DescribeAutoScalingGroups`, which "
        "only reads, takes no resource.",
    ),
    Explained(
        ("AwsSolutions-IAM5",),
        ("VaultCleanerRole",),
        "Only with `BackupsForceDestroy`; otherwise there is no such role. A recovery point's ARN does not name its vault, "
        "nor does a condition of IAM: this role, which only the cleaner's function has, may delete those that carry the tag "
        "`backup-vault` with the name of its own vault. `backup:ListBackupVaults`, which only reads, takes no resource; AWS "
        "Backup's own role, which it may have to create, exists once per account.",
    ),
    Explained(
        ("AwsSolutions-L1",),
        ("*CleanerFunction", "RotationFunction"),
        "Python 3.14 is supported for years. We use a newer runtime once every partition has it.",
    ),
    Explained(
        ("CKV_AWS_115", "LambdaConcurrency"),
        ("*CleanerFunction",),
        "Only CloudFormation calls it, to delete data. A reservation would take from the account's quota, and a new "
        "account has none to spare.",
    ),
    Explained(
        ("CKV_AWS_116", "LambdaDLQ"),
        ("*CleanerFunction",),
        "A failure is reported to CloudFormation, and the stack operation fails with the reason. "
        "Nobody would look into a queue.",
    ),
    Explained(
        ("CKV_AWS_117", "LambdaInsideVPC"),
        ("*CleanerFunction",),
        "It calls AWS's public APIs and nothing in the VPC. Inside, it would need NAT or endpoints, and its network "
        "interfaces would delay the deletion of the security groups.",
    ),
    Explained(
        ("CKV_AWS_173",),
        ("RotationFunction",),
        "They hold hours and seconds; Lambda encrypts them with AWS's key.",
    ),
    Explained(
        ("CKV_AWS_115", "LambdaConcurrency", "CKV_AWS_116", "LambdaDLQ", "CKV_AWS_117", "LambdaInsideVPC"),
        ("RotationFunction",),
        "Only Secrets Manager calls it, waits for its answer and tries again; an alarm rings when it fails. It calls Secrets "
        "Manager and nothing in the VPC.",
    ),
    Explained(
        ("AwsSolutions-VPC7", "VPCFlowLogsEnabled"),
        ("Vpc",),
        "`FlowLogs` of `network.yaml`, off by default: they are billed by the GB, and the load balancer logs every request.",
    ),
    Explained(
        ("VPCDefaultSecurityGroupClosed",),
        ("Vpc",),
        "No resource of ours is in the VPC's default security group, which CloudFormation cannot change.",
    ),
    Explained(
        ("VPCNoUnrestrictedRouteToIGW",),
        ("InternetRoute",),
        "The route of the load balancer's subnets, which assign no public addresses automatically. Hosts have no such route.",
    ),
    Explained(
        ("AwsSolutions-IAM5",),
        ("FlowLogRole",),
        "Flow logs find their group with `logs:DescribeLogGroups` and `logs:DescribeLogStreams`, which only read; they "
        "write to that one group.",
    ),
    Explained(
        ("AwsSolutions-IAM5", "CKV_AWS_109", "CKV_AWS_111"),
        ("Launch*", "Deploy*"),
        "Service Catalog's launch role, which only Service Catalog can assume, and whoever deploys create what does not "
        "exist yet. Where CloudFormation's names are predictable, the policies are limited to them; many actions take "
        "no resource.",
    ),
    Explained(
        ("AwsSolutions-IAM5", "CKV_AWS_108", "CKV_AWS_109", "CKV_AWS_111"),
        ("RoleBoundary",),
        "A permissions boundary grants nothing: it limits what the product's roles may do, and their own policies name "
        "their resources.",
    ),
)


def table() -> str:
    """For docs/security.md."""
    rows = [
        f"| {', '.join(it.rules)} | {', '.join(f'`{name}`' for name in it.resources)} | {it.reason} |"
        for it in EXPLAINED
    ]
    return "\n".join(["| Rule | Resource | Why it stays |", "|---|---|---|", *rows])
