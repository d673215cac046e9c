"""What each parameter accepts and refuses by itself."""

from __future__ import annotations

import json
import re
from importlib import resources
from ipaddress import IPv4Network, IPv6Network
from random import Random

import pytest
from cfnlint.data.schemas.extensions import aws_ec2_instance
from deployments import REQUIRED, Editions, extras, items
from hypothesis import given
from hypothesis import strategies as st
from refuse import constraint_violations

from generator import settings
from generator.settings.values import whole_number
from generator.sizing import INSTANCES, MAX_TASKS

IAM = "arn:aws:iam::123456789012"
AWS_POLICY = "arn:aws:iam::aws:policy/"
ROLE, POLICY = "arn:aws:iam::123456789012:role/a/b", "arn:aws-us-gov:iam::aws:policy/job-function/Billing"
TOPIC, KEY = "arn:aws-cn:sns:cn-north-1:123456789012:a_b-C", "arn:aws:kms:eu-west-1:123456789012:key/mrk-0a1b"
ECR = [
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror/pypiserver:v2.4.2",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a_b/c@sha256:" + "0" * 64,
]
ALIAS = "arn:aws-cn:kms:cn-north-1:123456789012:alias/team/pypi_1"
VAULT = "arn:aws-us-gov:backup:us-gov-west-1:123456789012:backup-vault:copies"
LONG = "a" * 63
CARRIED_JSON = [r'["\u00e9 \uffff \n\t\"\\"]', "[" + "a" * 4094 + "]"]
NOT_CARRIED_JSON = [
    '["caf\u00e9"]',
    '[\n\t"a"]',
    r'["\ud83d\ude00"]',
    '["\x7f"]',
    '[{"a"\n:1}]',
    '["--==pypiserver=="]',
    "[" + "a" * 4095 + "]",
]

PATTERNS: dict[str, tuple[list[str], list[str]]] = {
    # One label: a private zone. Underscores: a zone may have them, a certificate's names may not.
    "HostedZoneName": (
        ["example.com", "a.b-c.example.co", "corp", "xn--bcher-kva.example", f"{LONG}.example.com", "0.example.com"],
        ["", "example.com.", "Example.com", "-a.com", "a_b.com", "a..com", f"{LONG}a.example.com", "a." * 126 + "com"],
    ),
    "HostedZoneId": (["", "Z1", "Z0123456789ABC"], ["z1", "/hostedzone/Z1", "Z", " Z1"]),
    "AlarmEmails": (
        ["", "a@b.co", "a.b+c@d-e.example.com,f@g.io", items("a{}@b.co", settings.MAX_EMAILS)],
        ["a", "a@b", "a@b.co,", "a@b.co, c@d.co", "a@@b.co", items("a{}@b.co", settings.MAX_EMAILS + 1)],
    ),
    "ServiceName": (
        ["ab", "pypi-2", "a" * 32],
        ["", "a", "a" * 33, "2a", "-ab", "ab-", "Ab", "a_b", "aws-pypi", "ecs1", "fargate-a"],
    ),
    "Environment": (["dev", "eu-1"], ["", "Dev", "a b", "a_b"]),
    "DnsNames": (
        [
            *("a", "0", "pypi,a-b", LONG, items("n{}", settings.MAX_DNS_NAMES)),
            *("pypi.tools", "a.b.c,b", "pypi.tools,tools", "@", "@,pypi", "pypi,@", "@,*.dev"),
            *("a,*", "a,*.b,*.a.b", "pypi,*.pypi.dev", "ab,*.b"),
        ],
        [
            *("", "A", "a_b", "-a", "a-", "a,", ",a", "a, b", LONG + "a", items("n{}", settings.MAX_DNS_NAMES + 1)),
            *("a..b", ".a", "a.", "@.a", "a.@", "pypi.example.com.", "a.*", "a,*a", "a,a*", "a,*.", "a,**", "a,?"),
            *("a,a", "a,b,a", "@,@", "*", "*.a", "*,a", "a,*.a", "a,*.b,b", "a,b,*.b", "@,*", "a,*,@", "a,*,*"),
        ],
    ),
    "IngressCidrs": (
        [*("0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32,192.0.2.0/24"), items("10.0.{}.0/24", settings.MAX_CIDRS)],
        [
            *("", "10.0.0.0", "10/8", "::/0", "10.0.0.0/8, 10.1.0.0/16", items("10.0.{}.0/24", settings.MAX_CIDRS + 1)),
            *("10.0.0.0/33", "10.0.0.0/08", "010.0.0.0/8", "0/0", "256.0.0.0/8", "10.0.0.0/8,", ",10.0.0.0/8"),
            # To EC2 everybody, 10.0.0.0/8, and one rule twice.
            *("10.0.0.0/0", "10.1.2.3/8", "10.0.0.0/8,10.0.0.0/8"),
        ],
    ),
    "IngressIpv6Cidrs": (
        [
            *("", "::/0", "2001:db8::1/128,2001:db8::/32", "1:2:3:4:5:6:7:8/128"),
            items("2001:db8:{}::/48", settings.MAX_IPV6_CIDRS),
        ],
        [
            *(
                "0.0.0.0/0",
                "2001:DB8::/32",
                items("2001:db8:{}::/48", settings.MAX_IPV6_CIDRS + 1),
                "::",
                "::/0, fd00::/8",
            ),
            *("0::/0", ":::/0", "::/200", "::/129", "::/00", "::0/0", "1::2::/64", "1:2/64", "12345::/16", "fd00::/0"),
            *(
                "1:0::/32",
                "2001:0db8::/32",
                "1:2:3:4:5:6:7::/112",
                "::ffff:10.0.0.1/128",
                "2001:db8::1/32",
                "::/0,::/0",
            ),
        ],
    ),
    "CertificateArn": (
        [
            "",
            "arn:aws:acm:eu-west-1:123456789012:certificate/0a-1B",
            "arn:aws-cn:acm:cn-north-1:123456789012:certificate/0",
        ],
        ["arn:aws:iam::123456789012:server-certificate/a", "x", "arn:aws:acm:eu-west-1:12345678901:certificate/0a"],
    ),
    "CertificateHostedZoneId": (["", "Z0123456789ABC"], ["example.com", "/hostedzone/Z0123456789ABC", "z012"]),
    "WebAclArn": (
        ["", "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/wall/0a-1b"],
        ["arn:aws:wafv2:us-east-1:123456789012:global/webacl/wall/0a", "wall"],
    ),
    "SecretReaders": (
        ["", ROLE, f"{IAM}:root,{IAM}:user/ann@example.com,{IAM}:user/a/b/c", ",".join([ROLE] * 10)],
        [
            *("*", f"{ROLE},", ",".join([ROLE] * 11), "123456789012", f"{IAM}:role/", f"{IAM}:root/a", f"{ROLE}?"),
            # What a policy's Principal does not take, and what does not last.
            *(f"{IAM}:role/*", f"{IAM}:role/*/a", f"{IAM}:group/a", f"{IAM}:federated-user/a"),
            *("arn:aws:sts::123456789012:assumed-role/a/session", "arn:aws:iam::*:root"),
        ],
    ),
    "SecretKmsKeyArn": (["", KEY, ALIAS], ["alias/a", "mrk-0a1b", f"{ALIAS}*", f"{ALIAS},{ALIAS}"]),
    "DockerImageTag": (
        ["v2.4.2", "v2.4.10", "v2.10.0", "v3.0.0", "10.0", "v2", "latest", "_a", "a" * 128],
        [
            "",
            "v2.4.1",
            "2.4.0-alpine",
            "v2.3.0",
            "v2.3.2-alpine",
            "v2.0",
            "v1.5.2",
            "v0.1",
            "1",
            "-a",
            ".a",
            "a b",
            "a" * 129,
        ],
    ),
    "ContainerImage": (["", "registry:5000/a/b@sha256:0", *ECR], ["a b", " ", "a\n"]),
    "FallbackUrl": (
        ["", "https://pypi.org/simple", "http://mirror:3141/root/pypi"],
        ["pypi.org", "ftp://pypi.org", "https://", "https://a b", "https://a/?q=1", "https://a/#b"],
    ),
    "UpstreamUrl": (
        ["", "https://pypi.org/simple", "http://mirror:3141/root/pypi"],
        ["pypi.org", "ftp://pypi.org", "https://", "https://a b", "https://u:p@a", "https://a/?q=1", "https://a/#b"],
    ),
    "UpstreamFileHosts": (["", "files.pythonhosted.org", "a.b,c"], ["https://a", "a b", "A", ",a"]),
    "PrivateNames": (["", "acme-*,Other.Name"], ["a b", "a/b", "a" * 401]),
    "MinReleaseAgeDays": (["0", "7", "365"], ["", "-1", "366", "07", "1.5"]),
    "ReleaseOpenDays": (["0", "14", "3650"], ["", "-1", "3651", "07", "1.5"]),
    "CooldownExemptNames": (["", "acme-*,Other.Name"], ["a b", "a" * 129]),
    "BlockedFiles": (["", "a,b==1!2.0+x,sha256:0a"], ["a b", "a>1", "a" * 401]),
    "PasswordRotationDays": (["0", "7", "30", "99", "365"], ["", "1", "6", "366", "07", "30d"]),
    "PasswordGraceHours": (["1", "72", "168"], ["", "0", "169", "1.5"]),
    "UpstreamCacheGib": (["1", "9999"], ["", "0", "10000", "01"]),
    "TaskMaxCount": (["1", "9", "10", str(MAX_TASKS)], ["", "0", str(MAX_TASKS + 1), "01", "1000"]),
    "AsgMaxSize": (["0", "99", "100"], ["", "101", "1000", "-1", "007"]),
    "AsgInstanceTypeOverride": (
        ["", "r8gd.medium", "u-6tb1.metal", "m7i-flex.large", "x2gd.metal", "c8gn.metal-24xl"],
        ["t3", "t3.", ".large", "T3.large", "t3.large,t3.small", "t3 .large", "*.large", "t3.large.x"],
    ),
    "AmiId": (
        ["", "ami-01234567", "ami-0123456789abcdef0"],
        ["ami-", "ami-0123456", "ami-0123456789abcdef01", "AMI-01234567"],
    ),
    "Users": (["[]", '[\r\n{"name": "a"}\n]', *CARRIED_JSON], ["", "{}", "- name: a", "[] #", *NOT_CARRIED_JSON]),
    "ExtraFiles": (["[]", '[{"path": "/a"}]', *CARRIED_JSON], ["", "{}", "[", " []", *NOT_CARRIED_JSON]),
    "CloudinitExtraCommands": (
        ["", 'echo a\n\techo "${b}" `c` \\\n', "--==pypi==", "a" * 4096],
        ["caf\u00e9", "a\r\nb", "a\0", "\x7f", "\x1b", "\u2028", "a\n--==pypiserver==--\nb", "a" * 4097],
    ),
    "ExtraInstanceProfilePermissions": (["", '{"Version": "2012-10-17",\n"Statement": []}'], ["[]", "x", "{", ROLE]),
    "ExtraManagedPolicyArns": (
        ["", POLICY, ",".join(f"{POLICY}{it}" for it in range(7)), f"{AWS_POLICY}ReadOnlyAccess"],
        [
            *(ROLE, "x", f"{POLICY},", ",".join(f"{POLICY}{it}" for it in range(8))),
            # A role's policies are different ones, also from those that the hosts have anyway.
            *(f"{POLICY},{POLICY}", *(f"{POLICY},{AWS_POLICY}{it}" for it in settings.HOST_POLICIES)),
        ],
    ),
    "CloudWatchAgentImage": (["public.ecr.aws/a/b:1", *ECR], ["", "a b"]),
    "ExistingFileSystemId": (
        ["", "fs-01234567", "fs-0123456789abcdef0"],
        ["fs-", "fsap-0123456789abcdef0", "fs-0123456789ABCDEF0"],
    ),
    "PackagesPath": (
        ["/packages", "/aws-backup-restore_2026-01-01T00:00:00/packages", "/a/b/c/d", "/" + "a" * 99],
        ["", "/", "packages", "/a/", "//a", "/a/b/c/d/e", "/a b", "/" + "a" * 100],
    ),
    "EfsProvisionedThroughputInMibps": (
        ["", "1", "999", "1000", "2999", "3399", "3400", "3414"],
        ["0", "3415", "3500", "4000", "01", "1.5"],
    ),
    "BackupSchedule": (
        [
            *("cron(0 2 * * ? *)", "cron(15 * ? * * *)", "cron(30 4 ? * MON-FRI *)", "cron(0 8 1,15 * ? 2026-2030)"),
            *("cron(0/5 8-17 ? * 2 *)", "cron(0 2 L * ? *)", "cron(0 2 3W JAN,jul ? *)", "cron(0 2 ? * 6#3 *)"),
        ],
        [
            *("", "rate(1 day)", "cron(0 2 * * ?)", "0 2 * * ? *", "cron(0  2 * * ? *)"),
            # AWS takes neither two sets of days nor none: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
            *(
                "cron(0 2 * * * *)",
                "cron(0 2 1 * MON *)",
                "cron(0 2 ? * ? *)",
                "cron(? 2 * * ? *)",
                "cron(a b c d e f)",
            ),
        ],
    ),
    "BackupRetentionDays": (["1", "7", "36500"], ["", "0", "36501", "7.5", "07", "1e2", " 7"]),
    "BackupWeeklyRetentionDays": (["0", "36500"], ["", "-1", "36501", "0.0", "00"]),
    "BackupMonthlyRetentionDays": (["0", "36500"], ["", "-1", "36501", "0.0", "00"]),
    "BackupLockMinDays": (["1", "36500"], ["", "0", "36501", "1.5"]),
    "OnDemandBaseCapacity": (["0", "100"], ["", "-1", "101", "1.5", "00"]),
    "OnDemandPercentageAboveBaseCapacity": (["0", "50", "100"], ["", "-1", "101", "12.5"]),
    "AlarmTopicArns": (
        ["", TOPIC, ",".join([TOPIC] * settings.MAX_ALARM_TOPICS)],
        ["x", ROLE, f"{TOPIC}.fifo", f"{TOPIC},", ",".join([TOPIC] * (settings.MAX_ALARM_TOPICS + 1))],
    ),
    "PagerTopicArn": (["", TOPIC], ["pager", ROLE, f"{TOPIC}.fifo", f"{TOPIC},{TOPIC}"]),
    "EbsKmsKeyArn": (["", KEY, ALIAS], ["alias/aws/ebs", KEY + ","]),
    "VolumeTags": (
        ["", "cost-center=1", "a b=c d", "a=,Names=x", f"{'k' * 128}={'v' * 256}", "1=1,2=2,3=3,4=4,5=5"],
        [
            "a",
            "=b",
            "a=b,",
            "a=b=c",
            "aws:a=b",
            "Aws:a=b",
            "Name=a",
            "a=b,service=c",
            "a=1,a=2",
            "b=,a=1,c=2,a=",
            "1=,2=,3=,4=,5=,6=",
            f"{'k' * 129}=v",
        ],
    ),
    "EfsKmsKeyArn": (["", KEY], ["alias/a", ALIAS, KEY + ","]),
    "BackupKmsKeyArn": (["", KEY], ["alias/a", ALIAS, KEY + ","]),
    "BackupCopyVaultArn": (
        ["", VAULT, VAULT.replace("copies", "a_B-" + "9" * 46)],
        ["copies", VAULT + ",", VAULT + "/a", VAULT.replace("backup-vault", "recovery-point"), VAULT + "a" * 46],
    ),
    "LogKmsKeyArn": (["", KEY], ["alias/a", ALIAS, KEY + ","]),
    "PermissionsBoundaryArn": (["", POLICY], [ROLE, f"{POLICY},{POLICY}"]),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_accepts_and_refuses(editions: Editions, name: str) -> None:
    accepted, refused = PATTERNS[name]
    assert accepted
    assert refused
    for value in accepted:
        assert name not in constraint_violations(editions.parent, {name: value}), value
    for value in refused:
        assert name in constraint_violations(editions.parent, {name: value}), value


def test_a_network_is_accepted_as_it_is_usually_written() -> None:
    """And what is accepted is one to Python's reader, who knows no octal octets and no groups too many."""
    chance = Random(27)
    patterns: dict[type[IPv4Network | IPv6Network], tuple[int, str]] = {
        IPv4Network: (32, settings.INGRESS_CIDRS.pattern or ""),
        IPv6Network: (128, settings.INGRESS_IPV6_CIDRS.pattern or ""),
    }
    for kind, (bits, pattern) in patterns.items():
        for _ in range(2000):
            prefix = chance.randint(0, bits)
            address = chance.getrandbits(bits) & chance.choice([-1, -1 << 16, 0xFFFF0000FFFF0000FFFF])
            network = str(kind((address, prefix), strict=False))
            assert re.fullmatch(pattern, network), network
            mutilated = list(network)
            mutilated[chance.randrange(len(network))] = chance.choice("0129:/.f,")
            text = "".join(mutilated)
            if re.fullmatch(pattern, text):
                for item in text.split(","):
                    assert str(kind(item, strict=False)).partition("/")[2] == item.partition("/")[2]


def test_every_pattern_has_examples_and_says_what_it_wants(editions: Editions) -> None:
    patterned = {name: it for name, it in editions.parent["Parameters"].items() if "AllowedPattern" in it}
    unproved, stale = patterned.keys() - PATTERNS.keys(), PATTERNS.keys() - patterned.keys()
    assert not unproved, f"{sorted(unproved)}: give PATTERNS values that the pattern accepts and refuses"
    assert not stale, f"{sorted(stale)}: no such parameter has a pattern; take it out of PATTERNS"
    for name, parameter in patterned.items():
        assert parameter["ConstraintDescription"].startswith("must be "), name
        assert parameter["AllowedPattern"].startswith("^"), name
        assert parameter["AllowedPattern"].endswith("$"), name


def test_a_threshold_is_a_positive_number(editions: Editions) -> None:
    numbers = {name for name, it in editions.parent["Parameters"].items() if it["Type"] == "Number"}
    assert numbers == {"EfsBurstCreditThreshold"}, "another may be a fraction, which CloudFormation takes for a Number"
    given = ["1", "1000000000000", "0", "-1", "", "x"]
    taken = [
        it for it in given if not constraint_violations(editions.parent, {**REQUIRED, "EfsBurstCreditThreshold": it})
    ]
    assert taken == given[:2]


def test_every_parameter_is_bounded(editions: Editions) -> None:
    """Of the types that CloudFormation checks itself, or with a constraint of ours."""
    constraints = {"AllowedPattern", "AllowedValues", "MinValue", "MaxValue"}
    free = {
        name
        for name, it in editions.parent["Parameters"].items()
        if not constraints & it.keys() and it["Type"] == "String"
    }
    assert not free
    assert not constraint_violations(editions.parent, REQUIRED | extras())


def test_every_instance_type_that_cloudformation_knows_can_be_had(editions: Editions) -> None:
    """Listed with its size, or as an override. The types are those of cfn-lint's copy of the service's."""
    extension = json.loads(resources.files(aws_ec2_instance).joinpath("instancetype_enum.json").read_text())
    known = {name for it in extension.values() if isinstance(it, dict) for name in it["enum"]}
    assert len(known) > 1000
    assert set(INSTANCES) <= known
    refused = [
        it
        for it in known
        if "AsgInstanceTypeOverride" in constraint_violations(editions.parent, {"AsgInstanceTypeOverride": it})
    ]
    assert not refused


def test_nobody_has_to_open_the_last_group(editions: Editions) -> None:
    """Its parameters are those that an automatic value decides: empty, 0, or an SSM parameter of AWS's."""
    groups = editions.parent["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert groups[-1]["Label"]["default"].startswith("Automatic")
    automatic = {name: editions.parent["Parameters"][name].get("Default") for name in groups[-1]["Parameters"]}
    assert all(it in ("", "0") or it.startswith("/aws/service/") for it in automatic.values()), automatic


def test_the_first_group_asks_for_nothing_that_has_an_answer(editions: Editions) -> None:
    """Of its parameters only those have a default, which is empty, that another may be given for."""
    groups = editions.parent["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    defaults = {name: editions.parent["Parameters"][name].get("Default") for name in groups[0]["Parameters"]}
    optional = {name: default for name, default in defaults.items() if default is not None}
    assert optional == {"HostedZoneId": "", "AlarmEmails": ""}
    required = {name for name, it in editions.parent["Parameters"].items() if "Default" not in it}
    assert required == defaults.keys() - optional.keys()


@given(st.integers(0, 70_000), st.integers(0, 70_000), st.integers(0, 700_000))
def test_whole_numbers_are_within_their_bounds(one: int, other: int, number: int) -> None:
    least, most = sorted((one, other))
    pattern = re.compile(whole_number(least, most))
    assert (pattern.fullmatch(str(number)) is not None) == (least <= number <= most)
    assert all(pattern.fullmatch(str(bound)) for bound in (least, most))
    assert not any(pattern.fullmatch(text) for text in (f"0{most}", f"{most}0", str(most + 1), ""))
