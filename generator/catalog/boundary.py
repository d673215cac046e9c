"""The limit of what the templates' roles may ever do, whatever their policies say.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

from __future__ import annotations

from typing import Any

ACTIONS = (
    "autoscaling:DeleteAutoScalingGroup",
    "autoscaling:DescribeAutoScalingGroups",
    "backup:*",
    "ec2:DescribeTags",
    "ec2messages:*",
    "ecr:Batch*",
    "ecr:Get*",
    "ecs:*",
    "elasticfilesystem:*",
    "iam:CreateServiceLinkedRole",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
    "logs:CreateLogStream",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
    "s3:DeleteBucket",
    "s3:DeleteObject*",
    "s3:GetBucketTagging",
    "s3:ListBucketVersions",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
    "ssm:Describe*",
    "ssm:Get*",
    "ssm:List*",
    "ssm:Put*",
    "ssm:Update*",
    "ssmmessages:*",
    "tag:GetResources",
)
"""What the roles' own policies and AWS's for hosts, tasks and backups of EFS ask for: of IAM only roles of AWS's services."""


def boundary() -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(ACTIONS), "Resource": ["*"]}],
    }
