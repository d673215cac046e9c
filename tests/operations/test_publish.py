"""``publish`` against S3, as moto has it (``emulator``), and against a server that gives AWS's errors."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3  # type: ignore[import-untyped] # boto3 has no types
import botocore.client  # type: ignore[import-untyped] # nor has botocore
import pytest
from calls import REGION, client
from custom_resource import serving
from emulator import ACCOUNT, BUCKET, DIRECTLY, emulator, environment, network
from moto.s3.responses import S3Response
from resolve import PLACES, Place

from generator.commands import main
from generator.operations.aws import Account

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture
def here(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(server, tmp_path).items():
        monkeypatch.setenv(name, value)


def keys() -> dict[str, str]:
    """Keys by file name."""
    listed = client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {it["Key"].rpartition("/")[2]: it["Key"] for it in listed}


def body(key: str) -> bytes:
    content: bytes = client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


@pytest.mark.usefixtures("here")
def test_second_run_uploads_nothing_and_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "--bucket", BUCKET]) == 0
    first = capsys.readouterr().out.splitlines()
    modified = {it["Key"]: it["LastModified"] for it in client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert main(["publish", "--bucket", BUCKET]) == 0
    second = capsys.readouterr().out.splitlines()

    assert first[0] == "7 uploaded, 0 unchanged"
    assert second[0] == "0 uploaded, 7 unchanged"
    assert first[1:] == second[1:]
    assert modified == {it["Key"]: it["LastModified"] for it in client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]}


@pytest.mark.usefixtures("here")
def test_children_are_byte_for_byte_and_named_by_their_content() -> None:
    main(["publish", "--bucket", BUCKET])
    for name, key in keys().items():
        assert key.split("/")[1] == sha256(body(key)).hexdigest()[:32]
        if name != "pypiserver.yaml":
            assert body(key) == (TEMPLATES / name).read_bytes()


@pytest.mark.usefixtures("here")
def test_parent_differs_by_the_childrens_urls_only() -> None:
    main(["publish", "--bucket", BUCKET])
    parent = body(keys()["pypiserver.yaml"]).decode()
    urls = re.findall(r"TemplateURL: (\S+)", parent)

    assert urls == [
        f"https://{BUCKET}.s3.{REGION}.amazonaws.com/{keys()[f'{child}.yaml']}"
        for child in ("security", "storage", "edge", "compute", "monitoring")
    ]
    assert re.sub(r"TemplateURL: \S+/", "TemplateURL: ", parent) == (TEMPLATES / "pypiserver.yaml").read_text()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_an_address_ends_as_in_its_partition(place: Place) -> None:
    """As botocore has it for its own requests; tasks ask for the accounts' secrets at such an address, too."""
    account = Account(region_name=place.region)
    asked = boto3.client("secretsmanager", region_name=place.region).meta.endpoint_url
    assert asked == f"https://secretsmanager.{place.region}.{account.url_suffix}"
    assert account.url_suffix == place.pseudo["AWS::URLSuffix"]


@pytest.mark.usefixtures("here")
def test_no_object_is_public() -> None:
    main(["publish", "--bucket", BUCKET])
    for key in keys().values():
        grants = client("s3").get_object_acl(Bucket=BUCKET, Key=key)["Grants"]
        assert [grant["Grantee"]["Type"] for grant in grants] == ["CanonicalUser"]


@pytest.mark.usefixtures("here")
def test_what_another_run_uploads_meanwhile_is_as_good(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = botocore.client.BaseClient._make_api_call

    def after_another(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "PutObject":
            call(self, operation, parameters)
        return call(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", after_another)
    assert main(["publish", "--bucket", BUCKET, "--prefix", "shared"]) == 0
    assert capsys.readouterr().out.startswith("0 uploaded, 0 unchanged\n")
    assert len(client("s3").list_objects_v2(Bucket=BUCKET, Prefix="shared")["Contents"]) == 7


@pytest.mark.usefixtures("here")
def test_other_content_under_a_key_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    main(["publish", "--bucket", BUCKET, "--prefix", "tampered"])
    key = next(it["Key"] for it in client("s3").list_objects_v2(Bucket=BUCKET, Prefix="tampered")["Contents"])
    client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"Resources: {}", ChecksumAlgorithm="SHA256")
    capsys.readouterr()

    assert main(["publish", "--bucket", BUCKET, "--prefix", "tampered"]) == 2
    assert f"s3://{BUCKET}/{key} has other content" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_console_link_opens_the_published_parent(capsys: pytest.CaptureFixture[str]) -> None:
    main(["publish", "--bucket", BUCKET, "--stack-name", "mine"])
    shown = capsys.readouterr().out
    starts = [
        "7 uploaded|0 uploaded",
        "parent  ",
        "single file  ",
        "console  ",
        "command line$",
        "  aws s3 cp ",
        "  aws cloudf",
    ]
    assert all(re.match(it, line) for it, line in zip(starts, shown.splitlines(), strict=True)), shown
    lines = dict(re.findall(r"^(\S+(?: file)?)  +(\S+)$", shown, re.MULTILINE))
    link = urlsplit(lines["console"])

    assert link.netloc == f"{REGION}.console.aws.amazon.com"
    assert parse_qs(link.fragment.partition("?")[2]) == {"templateURL": [lines["parent"]], "stackName": ["mine"]}


@pytest.mark.slow
def test_printed_lines_deploy_the_stack(server: str, tmp_path: Path) -> None:
    """Copied into a shell, with the real AWS CLI."""
    env = environment(server, tmp_path)
    (tmp_path / "parameters.json").write_text(json.dumps([f"{key}={value}" for key, value in network().items()]))
    command = ["python", "-m", "generator", "publish", "--bucket", BUCKET, "--stack-name", "printed"]
    published = subprocess.run(
        command, env={**env, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = published.stdout.partition("command line\n")[2]
    subprocess.run(["bash", "-ec", lines], env=env, cwd=tmp_path, check=True, capture_output=True)

    (stack,) = client("cloudformation").describe_stacks(StackName="printed")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.usefixtures("here")
def test_missing_bucket(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "--bucket", "nobodys-bucket"]) == 2
    assert capsys.readouterr().err == (
        f"error: there is no bucket nobodys-bucket: `aws s3 mb s3://nobodys-bucket --region {REGION}`\n"
    )


@pytest.mark.usefixtures("here")
def test_bucket_of_another_region(capsys: pytest.CaptureFixture[str]) -> None:
    client("s3").create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert main(["publish", "--bucket", "far-away"]) == 2
    assert "the bucket far-away is in eu-west-1, not in us-east-1" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_own_bucket_that_is_a_strangers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the name can let all the world read and write there; S3 tells the owner to those who ask for one alone.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
    """
    answered = S3Response.head_bucket

    def head_bucket(self: S3Response) -> Any:
        expected = self.headers.get("x-amz-expected-bucket-owner")
        return answered(self) if expected in (None, "210987654321") else (403, {}, "")

    name = f"pypiserver-templates-{ACCOUNT}-{REGION}"
    client("s3").create_bucket(Bucket=name)
    monkeypatch.setattr(S3Response, "head_bucket", head_bucket)
    assert main(["publish", "--yes"]) == 2
    assert f"the bucket {name} belongs to another account" in capsys.readouterr().err
    assert "Contents" not in client("s3").list_objects_v2(Bucket=name)
    client("s3").delete_bucket(Bucket=name)


Answering = Callable[[int, str], None]


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    """Makes AWS answer every request with one status and error code."""
    given: list[tuple[int, str]] = []

    class Refusing(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, code = given[-1]
            answer = f"<ErrorResponse><Error><Code>{code}</Code><Message>said AWS</Message></Error></ErrorResponse>"
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.encode())

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self._refuse
            raise AttributeError(name)

        def log_message(self, *_line: object) -> None:
            """Silent: the output is pytest's."""

    with serving(Refusing) as url:
        monkeypatch.delenv(DIRECTLY, raising=False)
        for name, value in environment(url, tmp_path).items():
            monkeypatch.setenv(name, value)
        # botocore waits between its attempts.
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        yield lambda status, code: given.append((status, code))


def test_bucket_without_permission(answering: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    answering(403, "AccessDenied")
    assert main(["publish", "--bucket", BUCKET]) == 2
    assert "no access to the bucket" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (400, "Throttling", "error: AWS throttles DescribeStacks even after ten attempts: wait a minute"),
        (403, "ExpiredToken", "error: the AWS credentials have expired (DescribeStacks): get new ones"),
        (403, "AccessDenied", "error: these credentials may not DescribeStacks: said AWS"),
        (403, "InvalidClientTokenId", "error: AWS does not know these credentials (InvalidClientTokenId)"),
        (400, "ValidationError", "error: DescribeStacks: said AWS"),
    ],
)
def test_errors_of_aws_are_one_line(
    status: int, code: str, line: str, answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(status, code)
    assert main(["delete"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(line)
    assert error.count("\n") == 1


def test_without_credentials(
    answering: Answering, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert main(["status"]) == 2
    assert capsys.readouterr().err.startswith("error: no AWS credentials: run `aws configure`")


@pytest.mark.parametrize("empty", [True, False])
def test_without_a_region(
    answering: Answering, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], empty: bool
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if empty:
        monkeypatch.setenv("AWS_REGION", "")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    assert main(["status"]) == 2
    assert capsys.readouterr().err == "error: no region: add --region, or set AWS_REGION\n"


def test_the_region_is_found_as_by_the_aws_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Account().region == "eu-west-1"
    assert Account(region_name="eu-north-1").region == "eu-north-1"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert Account().region == "eu-west-1"
