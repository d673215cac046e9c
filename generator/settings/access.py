"""Who may connect, with which certificate, and who may read the credentials."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import KEY_ARN, OCTET, ROLE_ARN, SWITCH, items, optional

MAX_CIDRS = 10
MAX_IPV6_CIDRS = 5

LOAD_BALANCER_SCHEME = Setting(
    name="LoadBalancerScheme",
    label="Load balancer scheme",
    description="internal: reachable from the VPC and what is connected to it.",
    default="internet-facing",
    values=("internet-facing", "internal"),
)
LOAD_BALANCER_IP_ADDRESS_TYPE = Setting(
    name="LoadBalancerIpAddressType",
    label="Load balancer address type",
    description="dualstack needs subnets with IPv6.",
    default="ipv4",
    values=("ipv4", "dualstack", "dualstack-without-public-ipv4"),
)
INGRESS_CIDRS = Setting(
    name="IngressCidrs",
    label="IPv4 ranges that may connect",
    description=f"1 to {MAX_CIDRS}, separated by commas.",
    default="0.0.0.0/0",
    pattern=items(rf"{OCTET}(\.{OCTET}){{3}}/([0-9]|[12][0-9]|3[0-2])", MAX_CIDRS),
    constraint=f"must be 1 to {MAX_CIDRS} IPv4 CIDR blocks separated by commas, e.g. 10.0.0.0/8",
)
INGRESS_IPV6_CIDRS = Setting(
    name="IngressIpv6Cidrs",
    label="IPv6 ranges that may connect",
    description=f"1 to {MAX_IPV6_CIDRS}, separated by commas; used by a dual-stack load balancer.",
    default="::/0",
    pattern=items("[0-9a-f:]+/[0-9]{1,3}", MAX_IPV6_CIDRS),
    constraint=f"must be 1 to {MAX_IPV6_CIDRS} IPv6 CIDR blocks separated by commas, e.g. 2001:db8::/32",
)
CERTIFICATE_ARN = Setting(
    name="CertificateArn",
    label="Existing certificate",
    description="ACM certificate for all the names, in this region. Empty: one is requested and validated in the hosted zone.",
    default="",
    pattern=optional("arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[a-zA-Z0-9-]+"),
    constraint="must be the ARN of an ACM certificate, or empty",
)
WEB_ACL_ARN = Setting(
    name="WebAclArn",
    label="Web ACL (AWS WAF)",
    description="Regional web ACL to put before the load balancer. Empty: none.",
    default="",
    pattern=optional("arn:aws[a-z-]*:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/.+"),
    constraint="must be the ARN of a regional AWS WAF web ACL, or empty",
)
SECRET_READERS = Setting(
    name="SecretReaders",
    label="Roles that may read the credentials",
    description="Up to 10 IAM role ARNs, separated by commas.",
    default="",
    pattern=items(ROLE_ARN, 10, least=0),
    constraint="must be up to 10 IAM role ARNs separated by commas, or empty",
)
READER_ACCOUNT = Setting(
    name="ReaderAccount",
    label="Reader account",
    description="A second account, which may list and download only.",
    default="true",
    values=SWITCH,
)
SECRET_KMS_KEY_ARN = Setting(
    name="SecretKmsKeyArn",
    label="KMS key of the credentials",
    description="Readers in other accounts need one whose policy admits them. Empty: the AWS managed key.",
    default="",
    pattern=optional(KEY_ARN),
    constraint="must be the ARN of a KMS key, or empty",
)

ACCESS = Group(
    "Access",
    (
        LOAD_BALANCER_SCHEME,
        LOAD_BALANCER_IP_ADDRESS_TYPE,
        INGRESS_CIDRS,
        INGRESS_IPV6_CIDRS,
        CERTIFICATE_ARN,
        WEB_ACL_ARN,
        SECRET_READERS,
        READER_ACCOUNT,
        SECRET_KMS_KEY_ARN,
    ),
)
