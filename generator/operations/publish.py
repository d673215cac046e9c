"""Templates in a bucket: immutable, named by their content, the children's URLs written into the parent.

``aws cloudformation package`` also names objects by their content and keeps what templates mean, but rewrites them. This
uploads each child byte for byte: what is reviewed is what is deployed.
"""

from __future__ import annotations

import re
import shlex
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from generator.language.partitions import CONSOLES
from generator.operations.aws import Account, Client
from generator.operations.bucket import check_bucket
from generator.operations.errors import ClientError, code
from generator.operations.exits import Problem
from generator.operations.terminal import Terminal
from generator.parts.descriptions import PARENT, SINGLE

PUBLISHED = "pypiserver-published.yaml"
"""The parent's name on the operator's disk, where ``aws cloudformation deploy`` needs it."""

_TEMPLATE_URL = re.compile(r"^( +TemplateURL: )([a-z]+\.yaml)$", re.MULTILINE)


@dataclass(frozen=True)
class Publisher:
    """The place under ``prefix`` in ``bucket``; ``uploaded`` and ``unchanged`` are the keys of this run."""

    account: Account
    bucket: str
    prefix: str
    uploaded: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)

    def put(self, name: str, body: bytes) -> str:
        """Upload ``body``, unless it is already there; returns its key.

        Raises Problem if the key holds something else.
        """
        digest = sha256(body)
        key = "/".join(part for part in (self.prefix.strip("/"), digest.hexdigest()[:32], name) if part)
        checksum = b64encode(digest.digest()).decode()
        s3 = self.account.client("s3")
        found = _checksum(s3, self.bucket, key)
        if found is None:
            try:
                # S3 itself compares the checksum, and refuses if another run was faster.
                s3.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=body,
                    ContentType="application/yaml",
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=checksum,
                    IfNoneMatch="*",
                )
                self.uploaded.append(key)
            except ClientError as error:
                if code(error) not in ("PreconditionFailed", "ConditionalRequestConflict"):
                    raise
            found = _checksum(s3, self.bucket, key)
        else:
            self.unchanged.append(key)
        if found != checksum:
            raise Problem(
                f"s3://{self.bucket}/{key} has other content than its name says: delete it, then run this again"
            )
        return key

    def url(self, key: str) -> str:
        """The form of URL that CloudFormation and Service Catalog take in every partition."""
        return f"https://{self.bucket}.s3.{self.account.region}.{self.account.url_suffix}/{key}"


@dataclass(frozen=True)
class Published:
    """What ``publish`` uploaded: the parent's key, and the single file's."""

    publisher: Publisher
    parent: str
    single: str


def publish(account: Account, terminal: Terminal, directory: Path, bucket: str, prefix: str) -> Published:
    """Upload the templates in ``directory``. Raises Problem if the bucket cannot be used."""
    check_bucket(account, bucket)
    publisher = Publisher(account, bucket, prefix)
    source = (directory / PARENT).read_text()
    urls: dict[str, str] = {}
    for name, path in terminal.steps("publishing", {it: directory / it for it in _children(source)}):
        urls[name] = publisher.url(publisher.put(name, path.read_bytes()))
    parent = _TEMPLATE_URL.sub(lambda match: match[1] + urls[match[2]], source)
    return Published(
        publisher,
        parent=publisher.put(PARENT, parent.encode()),
        single=publisher.put(SINGLE, (directory / SINGLE).read_bytes()),
    )


def show(terminal: Terminal, published: Published, stack_name: str, parameters: str) -> None:
    """The URLs, the console's link, and the lines for the AWS CLI."""
    publisher = published.publisher
    account, url = publisher.account, publisher.url(published.parent)
    source = f"s3://{publisher.bucket}/{published.parent}"
    copy = ["aws", "s3", "cp", source, PUBLISHED, *account.options]
    deploy = ["aws", "cloudformation", "deploy", "--template-file", PUBLISHED, "--stack-name", stack_name]
    deploy += ["--s3-bucket", publisher.bucket, "--capabilities", "CAPABILITY_IAM"]
    deploy += ["--parameter-overrides", f"file://{parameters}", *account.options]
    terminal.line(f"{len(publisher.uploaded)} uploaded, {len(publisher.unchanged)} unchanged")
    terminal.verbatim(f"parent       {url}")
    terminal.verbatim(f"single file  {publisher.url(published.single)}")
    terminal.verbatim(f"console      {quick_create(account, url, stack_name)}")
    terminal.line("command line")
    terminal.verbatim(f"  {shlex.join(copy)}")
    terminal.verbatim(f"  {shlex.join(deploy)}")


def quick_create(account: Account, url: str, stack_name: str) -> str:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-create-stacks-quick-create-links.html"""
    console = CONSOLES.get(account.partition, CONSOLES["aws"])
    query = urlencode({"templateURL": url, "stackName": stack_name})
    region = account.region
    return f"https://{region}.{console}/cloudformation/home?region={region}#/stacks/create/review?{query}"


def _children(parent: str) -> list[str]:
    return [match[2] for match in _TEMPLATE_URL.finditer(parent)]


def _checksum(s3: Client, bucket: str, key: str) -> str | None:
    """SHA-256 of an object in base64; ``None`` if there is no object."""
    try:
        head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if code(error) == "404":
            return None
        raise
    return str(head.get("ChecksumSHA256"))
