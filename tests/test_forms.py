"""The console form of every template that somebody deploys by hand: what it asks for, accepts and refuses.

What the server's own form accepts: ``test_parameters.py``.
"""

from __future__ import annotations

import pytest
from deployments import Forms
from refuse import constraint_violations

SUBJECTS = "repo:octo-org/octo-repo:environment:release", "project_path:group/project:ref_type:branch:ref:main"
IAM = "arn:aws:iam::123456789012"
PRINCIPAL = (["arn:aws:iam::123456789012:role/a/b", "arn:aws:iam:::role/x*"], ["x", f"{IAM}:root", f"{IAM}:role/*"])
MORE_PRINCIPALS = (["", *PRINCIPAL[0]], PRINCIPAL[1])
COST_CENTER = (["", "12 34", "Team_A.b:c/d=e+f@g-h", "a" * 256], ["a" * 257, "caf\u00e9", "a,b"])
IMAGES = ["registry:5000/a/b@sha256:0", "public.ecr.aws/a/b:1"]

FIELDS: dict[str, dict[str, tuple[list[str], list[str]]]] = {
    # By template and parameter what is accepted, and what is refused.
    "ci-access.yaml": {
        "SecretArn": (
            ["arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:ReaderSecret-Ab/c_1-a1B2c3"],
            [
                *("", "ReaderSecret", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ReaderSecret-a1B2c"),
                *(
                    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*",
                    "arn:aws:ssm:eu-west-1:123456789012:secret:a-a1B2c3",
                ),
            ],
        ),
        "KeyArn": (
            ["", "arn:aws:kms:eu-west-1:123456789012:key/mrk-0a1B"],
            [
                "alias/a",
                "arn:aws:kms:eu-west-1:123456789012:alias/a",
                "arn:aws:kms:eu-west-1:123456789012:key/*",
                "0a1b",
            ],
        ),
        "GitHubSubjects": (["", SUBJECTS[0], f"{SUBJECTS[0]},{SUBJECTS[0]}"], [SUBJECTS[1], f"{SUBJECTS[0]},", "*"]),
        "GitLabSubjects": (["", SUBJECTS[1], f"{SUBJECTS[1]},{SUBJECTS[1]}"], [SUBJECTS[0], f"{SUBJECTS[1]},", "*"]),
        "GitHubProviderArn": (
            ["", f"{IAM}:oidc-provider/token.actions.githubusercontent.com"],
            [f"{IAM}:oidc-provider/gitlab.com", f"{IAM}:oidc-provider/tokenxactions.githubusercontent.com", "x"],
        ),
        "GitLabProviderArn": (
            ["", f"{IAM}:oidc-provider/gitlab.com"],
            [
                f"{IAM}:oidc-provider/token.actions.githubusercontent.com",
                f"{IAM}:oidc-provider/gitlab.com.evil.example",
                "x",
            ],
        ),
    },
    "deployer.yaml": {
        "StackName": (["pypi", "ab", "a" + "-9" * 15], ["", "a", "Pypi", "9a", "a" * 32, "pypi*", "a_b"]),
        "RoleName": (["", "Deploy_1+=,.@-", "a" * 64], ["a" * 65, f"{IAM}:role/a", "a b", "*"]),
    },
    "dns.yaml": {
        "LoadBalancerDnsName": (
            ["a-1.eu-west-1.elb.amazonaws.com", "Internal-a.B"],
            ["", "a", "a.", "a b.c", "https://a.b"],
        ),
        "LoadBalancerHostedZoneId": (["Z32O12XQLNTSW2"], ["", "Z", "z1", "/hostedzone/Z1", "Z1,Z2"]),
    },
    "network.yaml": {
        "VpcCidr": (
            ["10.0.0.0/16", "172.16.8.0/21", "192.168.0.0/18"],
            ["10.0.0.0/15", "10.0.0.0/22", "10.0.0/16", "::/16", "", "256.0.0.0/16"],
        ),
        "AvailabilityZones": (
            ["", "eu-west-1a,eu-west-1b,eu-west-1c", "us-gov-west-1a,us-gov-west-1b"],
            ["eu-west-1a", "a,a", "a,b,a", "a,b,c,d", "a, b"],
        ),
        "NatGateways": (["one", "each-zone", "none"], ["", "two", "One"]),
        "Ec2Messages": (["true", "false"], ["", "yes"]),
        "FlowLogs": (["true", "false"], ["", "yes"]),
    },
    "restore-testing.yaml": {
        "FileSystemId": (["fs-01234567", "fs-0123456789abcdef0"], ["", "fs-", "fsap-01234567", "fs-0123456789ABCDEF0"]),
        "BackupVaultName": (["a_B-9", "ab", "a" * 50], ["", "a", "a" * 51, "a b", "arn:aws:backup:x:1:backup-vault:a"]),
        "RestoreTestSchedule": (["cron(0 6 ? * WED *)"], ["", "rate(1 day)", "cron(0 6 * * * *)"]),
    },
    "service-catalog.yaml": {
        "Version": (["1.0.0", "v2_a-b", "a" * 50], ["", "a b", "a" * 51, "1/2"]),
        "TemplateUrl": (
            [f"https://bucket.s3.eu-west-1.amazonaws.com/a/{'0' * 32}/pypiserver-single.yaml"],
            [
                *("", "http://a/" + "0" * 32 + "/pypiserver-single.yaml", f"https://a/{'0' * 32}/pypiserver.yaml"),
                *(f"https://a/{'0' * 31}/pypiserver-single.yaml", f"https://a/{'0' * 32}/pypiserver-singlexyaml"),
                f"https://a/?b/{'0' * 32}/pypiserver-single.yaml",
            ],
        ),
        "PrincipalArn1": (PRINCIPAL[0], ["", *PRINCIPAL[1]]),
        **dict.fromkeys((f"PrincipalArn{index}" for index in range(2, 6)), MORE_PRINCIPALS),
        **dict.fromkeys((f"CostCenterValue{index}" for index in range(1, 6)), COST_CENTER),
        "HostedZoneIds": (["", "Z1", "Z1,Z2,Z3,Z4,Z5"], ["Z1,", "Z1, Z2", "Z1,Z2,Z3,Z4,Z5,Z6", "z1"]),
        "ContainerImages": (
            ["", ",".join(IMAGES), ",".join(IMAGES * 5)],
            [f"{IMAGES[0]},", ", ".join(IMAGES), ",".join(IMAGES * 6), "*", "-a", "a" * 513],
        ),
        "BackupDays": (
            ["7", "1,36500", ",".join(["7"] * 20)],
            ["", "0", "07", "7,", "1, 2", "100000", ",".join(["7"] * 21)],
        ),
        "BackupVaultArns": (
            ["", ",".join(["arn:aws:backup:eu-west-1:123456789012:backup-vault:ab"] * 10)],
            [
                "copies",
                "arn:aws:backup:eu-west-1:123456789012:backup-vault:*",
                ",".join(["arn:aws:backup:eu-west-1:123456789012:backup-vault:ab"] * 11),
            ],
        ),
    },
    "web-acl.yaml": {"RequestLimit": (["100", "99999999"], ["", "0", "99", "-100", "0100", "1e5", "100000000"])},
}

REQUIRED = {
    "ci-access.yaml": {"SecretArn"},
    "deployer.yaml": set[str](),
    "dns.yaml": {"HostedZoneName", "HostedZoneId", "LoadBalancerDnsName", "LoadBalancerHostedZoneId"},
    "network.yaml": set[str](),
    "restore-testing.yaml": {"FileSystemId", "BackupVaultName"},
    "service-catalog.yaml": {"Version", "TemplateUrl", "PrincipalArn1", "VpcIds", "SubnetIds"},
    "web-acl.yaml": set[str](),
}
"""What nobody but the operator can know; everything else has a default."""


@pytest.mark.parametrize("template", ["pypiserver.yaml", "pypiserver-single.yaml", *FIELDS])
def test_every_parameter_has_its_place_and_label(template: str, forms: Forms) -> None:
    form = forms[template]["Metadata"]["AWS::CloudFormation::Interface"]
    fields = forms[template]["Parameters"]
    shown = [parameter for group in form["ParameterGroups"] for parameter in group["Parameters"]]
    assert shown == list(fields), "every parameter once, in the form's order"
    assert form["ParameterLabels"].keys() == fields.keys()
    assert all(it.get("Description") for it in fields.values())


@pytest.mark.parametrize(("template", "name"), [(template, name) for template in FIELDS for name in FIELDS[template]])
def test_a_field_accepts_and_refuses(template: str, name: str, forms: Forms) -> None:
    accepted, refused = FIELDS[template][name]
    assert [it for it in accepted if name in constraint_violations(forms[template], {name: it})] == []
    assert [it for it in refused if name not in constraint_violations(forms[template], {name: it})] == []


@pytest.mark.parametrize("template", REQUIRED)
def test_a_form_asks_for_no_more_than_it_must_and_is_bounded(template: str, forms: Forms) -> None:
    """Each field by its type, by values of its own, or as the field of that name in the server's form is."""
    constraints = ("AllowedPattern", "AllowedValues")
    own = forms["pypiserver.yaml"]["Parameters"]
    fields = forms[template]["Parameters"]
    assert {name for name, it in fields.items() if "Default" not in it} == REQUIRED[template]
    # Shown, and nothing else.
    free = fields.keys() - FIELDS[template].keys() - {"ProviderName"}
    for name in free:
        if fields[name]["Type"] == "String":
            assert name in own, f"{name}: give FIELDS values that it accepts and refuses"
            assert [fields[name].get(it) for it in constraints] == [own[name].get(it) for it in constraints], name
    for name in FIELDS[template]:
        assert fields[name].get("ConstraintDescription", "must be ").startswith("must be "), name


def test_every_form_is_here(forms: Forms) -> None:
    assert forms.keys() - {"pypiserver.yaml", "pypiserver-single.yaml"} == FIELDS.keys() == REQUIRED.keys()
