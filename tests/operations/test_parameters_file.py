"""The operator's file of parameters: what is read from it, and what is refused before anything is uploaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from calls import client
from emulator import BUCKET
from stacks import DEPLOY, Parameters, give_again

from generator.commands import main
from generator.commands.options import TEMPLATES
from generator.operations.form import Parameter, form
from generator.operations.parameters import read, tidied
from generator.parts.descriptions import PARENT

pytestmark = pytest.mark.usefixtures("here")


def keys() -> list[str]:
    """Of everything in the bucket."""
    return [it["Key"] for it in client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_wrong_parameters_are_named_all_at_once_and_before_an_upload(
    deployed: Parameters, capsys: pytest.CaptureFixture[str]
) -> None:
    give_again(deployed, TaskMinCnt="3", DnsName="pypi", ContainerMemory="513", HostedZoneName="Example.com.")
    bucket = set(keys())
    assert main([*DEPLOY]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: HostedZoneName must be a lower-case domain name without a dot at the end, e.g. example.com; "
        "it is 'Example.com.'",
        "error: the template has no parameter TaskMinCnt, but TaskMinCount",
        "error: the template has no parameter DnsName, but DnsNames",
        "error: ContainerMemory must be 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, "
        "16384, 24576, 30720 (did you mean 512?); it is '513'",
    ]
    assert set(keys()) == bucket


@pytest.mark.parametrize("words", [["--yes"], ["--dry-run"]])
def test_required_parameters_are_named(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("parameters.json").write_text('["VpcId=vpc-1"]')
    assert main(["deploy", "--bucket", BUCKET, "--stack-name", "lacking", *words]) == 2
    assert "lacks LoadBalancerSubnets, AsgSubnets, HostedZoneName, IngressCidrs, AlarmEmails" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("IngressCidrs", " 10.0.0.0/8 , 192.0.2.1 ", "10.0.0.0/8,192.0.2.1/32"),
        ("IngressIpv6Cidrs", "2001:db8::1", "2001:db8::1/128"),
        ("AlarmEmails", "a@example.com, b@example.com", "a@example.com,b@example.com"),
        ("VpcId", " vpc-1 ", "vpc-1"),
        ("CloudinitExtraCommands", "echo a , b", "echo a , b"),
        ("IngressCidrs", "10.0.0.256", "10.0.0.256"),
    ],
)
def test_what_is_plainly_meant_is_taken(name: str, given: str, meant: str) -> None:
    assert tidied(form(TEMPLATES / PARENT), {name: given}) == {name: meant}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory"),
        ("{", "parameters.json: Expecting"),
        ('["VpcId"]', '"VpcId" is neither "Key=value"'),
        ("{}", "neither a list"),
        ("[" * 100_000, "so it is not JSON"),
        ("VpcId: vpc-1", "templates/parameters.example.json shows the form"),
        ('{"Parameters": {"AsgSubnets": [["a"]]}}', "AsgSubnets is [["),
        ('["VpcId=a", "VpcId=b"]', "VpcId given more than once"),
        ('{"Parameters": {"VpcId": "a", "VpcId": "b"}}', "VpcId given more than once"),
        ('// mine\n["VpcId=a"]', "parameters.json: Expecting"),
        ('{"Parameters": {"AsgSubnets": {"a": 1}}}', "AsgSubnets is {"),
    ],
)
def test_unreadable_parameters(text: str | None, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    if text is not None:
        Path("parameters.json").write_text(text)
    assert main([*DEPLOY]) == 2
    assert message in capsys.readouterr().err


def test_values_of_json_become_cloudformations() -> None:
    Path("parameters.json").write_text(
        '{"Parameters": {"EnableEfsBackup": true, "TaskMinCount": 3, "L": ["a", true, 1]}}'
    )
    assert read(Path("parameters.json")) == {"EnableEfsBackup": "true", "TaskMinCount": "3", "L": "a,true,1"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_editors_of_windows_write_is_read(encoding: str) -> None:
    Path("parameters.json").write_text('["ServiceName=pypi", "Users=é"]', encoding=encoding)
    assert read(Path("parameters.json")) == {"ServiceName": "pypi", "Users": "é"}


@pytest.mark.parametrize(
    ("declared", "value", "said"),
    [
        ({"type": "Number", "minimum": 1, "maximum": 5}, "1", ""),
        ({"type": "Number", "minimum": 1, "maximum": 5}, "5", ""),
        ({"type": "Number", "minimum": 1, "maximum": 5}, "0", "must be a number from 1 to 5"),
        ({"type": "Number", "minimum": 1, "maximum": 5}, "5.5", "must be a number from 1 to 5"),
        ({"type": "Number", "minimum": 1}, "0.5", "must be a number from 1"),
        ({"type": "Number", "minimum": 1}, "many", "must be a number from 1"),
        ({"type": "Number"}, "", "must be a number from 0"),
        ({"type": "Number"}, "-1", ""),
        ({}, "", "must not be empty"),
        ({"default": ""}, "", ""),
        ({"pattern": "[a-z]*"}, "", ""),
        ({"pattern": "[a-z]+"}, "A", "must match [a-z]+"),
        ({"pattern": "[a-z]+"}, "aA", "must match [a-z]+"),
        ({"pattern": "[a-z]+", "constraint": "must be small"}, "A", "must be small"),
        ({"values": ("one", "two")}, "on", "must be one, two (did you mean one?)"),
        ({"values": ("one", "two")}, "", "must be one, two"),
        ({"values": tuple("abcdefghijklmnopqrst")}, "z", "must be a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t"),
        ({"values": tuple("abcdefghijklmnopqrstu")}, "z", "must be one of 21 values"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_value_is_said(declared: dict[str, Any], value: str, said: str) -> None:
    texts = {"name": "Name", "label": "", "description": "", "type": "String", "pattern": None, "constraint": None}
    rest = {"default": None, "values": (), "minimum": None, "maximum": None}
    assert Parameter(**{**texts, **rest, **declared}).refusal(value) == said
