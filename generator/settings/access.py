"""Who may connect, with which certificate, and who may read the credentials."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import (
    IPV6_CIDR,
    KEY_OR_ALIAS_ARN,
    PRINCIPAL_ARN,
    SWITCH,
    items,
    of_server,
    optional,
    whole_number,
)
from server import contract

MAX_IPV6_CIDRS = 5

LOAD_BALANCER_SCHEME = Setting(
    name="LoadBalancerScheme",
    label="Load balancer scheme",
    description="internal: reachable from the VPC and what is connected to it. A change in a running stack causes downtime, so deploy and the stack policy refuse it; the docs describe another way.",
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
HTTP_REDIRECT = Setting(
    name="HttpRedirect",
    label="Redirect HTTP to HTTPS",
    description="false: port 80 is closed. true: it redirects; a client with an http:// URL has then sent its password unencrypted before.",
    default="false",
    values=SWITCH,
)
INGRESS_IPV6_CIDRS = Setting(
    name="IngressIpv6Cidrs",
    label="IPv6 ranges that may connect",
    description=f"Up to {MAX_IPV6_CIDRS}, separated by commas; used by a dual-stack load balancer. Empty: none.",
    default="",
    pattern=items(IPV6_CIDR, MAX_IPV6_CIDRS, least=0, distinct=True),
    constraint=f"must be up to {MAX_IPV6_CIDRS} different IPv6 CIDR blocks separated by commas without blanks, in short form, zeros after the prefix, e.g. 2001:db8::/32, or empty",
)
CERTIFICATE_ARN = Setting(
    name="CertificateArn",
    label="Existing certificate",
    description="ACM certificate for all the names, in this region. Empty: one is requested and validated in the hosted zone.",
    default="",
    pattern=optional("arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[a-zA-Z0-9-]+"),
    constraint="must be the ARN of an ACM certificate, or empty",
)
CERTIFICATE_HOSTED_ZONE_ID = Setting(
    name="CertificateHostedZoneId",
    label="Hosted zone that validates the certificate",
    description="Public Route 53 zone in this account that a new certificate is validated in. Empty: HostedZoneId, which must be public then.",
    default="",
    pattern=optional("Z[A-Z0-9]+"),
    constraint="must be a Route 53 hosted zone ID, e.g. Z1234567890ABC, or empty",
)
CAA_RECORDS = Setting(
    name="CaaRecords",
    label="CAA records",
    description="true: with a new certificate, records say that only Amazon may issue for the names; not with @ or a wildcard in DnsNames, where they would bind other names too. false where the names have CAA records already.",
    default="true",
    values=SWITCH,
)
WEB_ACL_ARN = Setting(
    name="WebAclArn",
    label="Web ACL (AWS WAF)",
    description="Regional web ACL to put before the load balancer. Empty: none. To change it, empty it in one update and give the other in the next.",
    default="",
    pattern=optional("arn:aws[a-z-]*:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/.+"),
    constraint="must be the ARN of a regional AWS WAF web ACL, or empty",
)
SECRET_READERS = Setting(
    name="SecretReaders",
    label="Who may read the credentials",
    description="Up to 10 ARNs of roles, users, or accounts (ending in :root), whose own policies then decide, separated by commas. Give a role's ARN, not a session's.",
    default="",
    pattern=items(PRINCIPAL_ARN, 10, least=0),
    constraint="must be up to 10 ARNs of IAM roles, users or account roots separated by commas without blanks, without wildcards, or empty",
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
    pattern=optional(KEY_OR_ALIAS_ARN),
    constraint="must be the ARN of a KMS key or of an alias of one, or empty",
)
PASSWORD_ROTATION_DAYS = of_server(
    contract.PASSWORD_ROTATION_DAYS,
    name="PasswordRotationDays",
    label="Days between new passwords",
    description="7 to 365: how often each account gets a new password. Tasks pick it up without a restart; clients must read it from Secrets Manager. 0: never.",
)
PASSWORD_GRACE_HOURS = Setting(
    name="PasswordGraceHours",
    label="Hours the old password stays valid",
    description="1 to 168, after PasswordRotationDays makes a new one.",
    default="72",
    pattern=f"^({whole_number(1, 168)})$",
    constraint="must be a whole number from 1 to 168",
)
TOKENS = Setting(
    name="Tokens",
    label="Tokens",
    description="true: tokens in addition to the accounts, each limited to some projects, to reading, and in time. The command token creates and revokes them, and trust lets CI jobs get one without a password. Their digests are in a secret that stays when this is turned off; turning it on again creates another.",
    default="false",
    values=SWITCH,
)

ACCESS = Group(
    "Access",
    (
        LOAD_BALANCER_SCHEME,
        LOAD_BALANCER_IP_ADDRESS_TYPE,
        INGRESS_IPV6_CIDRS,
        HTTP_REDIRECT,
        CERTIFICATE_ARN,
        CERTIFICATE_HOSTED_ZONE_ID,
        CAA_RECORDS,
        WEB_ACL_ARN,
        SECRET_READERS,
        READER_ACCOUNT,
        SECRET_KMS_KEY_ARN,
        PASSWORD_ROTATION_DAYS,
        PASSWORD_GRACE_HOURS,
        TOKENS,
    ),
)
