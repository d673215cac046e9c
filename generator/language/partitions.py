"""What differs between AWS's partitions, by their name in ARNs."""

from __future__ import annotations

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}
"""Domain of the console; a region's own is ``REGION.DOMAIN``."""
URL_SUFFIXES = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-us-gov": "amazonaws.com",
    "aws-eusc": "amazonaws.eu",
}
"""``AWS::URLSuffix``, which ends the addresses of services. Their principals end in amazonaws.com in each:

https://github.com/aws/aws-cdk/blob/main/packages/aws-cdk-lib/cx-api/FEATURE_FLAGS.md (standardizedServicePrincipals)
https://github.com/pulumi/pulumi-eks/issues/2341
"""
ECR_ENDPOINTS = {
    "aws": "com.amazonaws",
    "aws-cn": "cn.com.amazonaws",
    "aws-us-gov": "com.amazonaws",
    "aws-eusc": "eu.amazonaws",
}
"""What the names of ECR's VPC endpoints begin with; those of the other services begin with com.amazonaws in each.

Not in AWS's documents, but in its CDK: https://github.com/aws/aws-cdk/blob/main/packages/aws-cdk-lib/aws-ec2/lib/vpc-endpoint.ts
"""
