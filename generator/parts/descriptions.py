"""What a stack is: the Description of its template, which CloudFormation returns for a stack in any state."""

from __future__ import annotations

PARENT = "pypiserver.yaml"
SINGLE = "pypiserver-single.yaml"
SERVICE_CATALOG = "service-catalog.yaml"

DESCRIPTIONS = {
    PARENT: "Private PyPI: pypiserver on ECS, EFS and a load balancer (parent)",
    SINGLE: "Private PyPI: pypiserver on ECS, EFS and a load balancer (single file)",
    SERVICE_CATALOG: "Private PyPI: Service Catalog portfolio, product and launch role",
    "ci-access.yaml": "Private PyPI: CI jobs that read the password with their own identity",
    "deployer.yaml": "Private PyPI: policies for whoever deploys, and the boundary of all roles",
    "dns.yaml": "Private PyPI: DNS records, for a hosted zone in another account than the server",
    "network.yaml": "Private PyPI: a VPC with public and private subnets, for an account that has none",
    "restore-testing.yaml": "Private PyPI: tests that restore a backup on a schedule",
    "web-acl.yaml": "Private PyPI: web ACL (AWS WAF) for the load balancer",
}
"""The permanent prefix of each template's Description: commands recognise their stacks by it, even those of former releases."""
