"""The whole life of a server in a real AWS account: ``make live``. It costs money, takes about half an hour.

Deploys into the network that ``parameters.json`` names, uploads and installs a package, updates, deletes with all data,
and looks for what is left. Run it only where nothing else has the service name below.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from pathlib import Path

from generator.commands import main
from generator.operations import credentials
from generator.operations.aws import Account
from generator.operations.formats import Credentials, User
from generator.operations.parameters import read

NAME = f"pypi-live-{uuid.uuid4().hex[:8]}"
READY_SECONDS = 900


def command(*words: str) -> None:
    print(f"$ pypiserver-aws {' '.join(words)}", flush=True)
    code = main([*words])
    if code:
        sys.exit(code)


def sdist() -> tuple[str, bytes]:
    """A source distribution that pip can install: file name and contents."""
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: live-probe\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "live-probe"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["live_probe"]\n',
        "live_probe.py": "ANSWER = 42\n",
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"live_probe-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return "live_probe-1.0.tar.gz", packed.getvalue()


def upload(to: Credentials) -> None:
    """As twine does; until the server answers, or READY_SECONDS are over."""
    name, contents = sdist()
    mark = uuid.uuid4().hex
    fields = f'--{mark}\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
    head = f'--{mark}\r\nContent-Disposition: form-data; name="content"; filename="{name}"\r\n\r\n'
    body = fields.encode() + head.encode() + contents + f"\r\n--{mark}--\r\n".encode()
    token = b64encode(f"{to.username}:{to.password}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": f"multipart/form-data; boundary={mark}"}
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(f"{to.url}/", body, headers)).close()
            return
        except urllib.error.URLError as error:
            if time.monotonic() > deadline:
                raise
            print(f"not ready: {error}", flush=True)
            time.sleep(15)


def install(source: Credentials) -> None:
    """With pip, whose credentials stay off its command line."""
    with tempfile.TemporaryDirectory() as target:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--target", target, "live-probe"],
            env={**os.environ, "PIP_INDEX_URL": source.index},
            check=True,
        )


def left_behind(account: Account) -> list[str]:
    """ARNs of what still has the service's tag."""
    pages = account.client("resourcegroupstaggingapi").get_paginator("get_resources")
    tagged = pages.paginate(TagFilters=[{"Key": "service", "Values": [NAME]}])
    return [it["ResourceARN"] for page in tagged for it in page["ResourceTagMappingList"]]


def live(bucket: str, parameters: str) -> None:
    given = {**read(Path(parameters)), "ServiceName": NAME, "DnsNames": NAME}
    given |= {"AccessLogForceDestroy": "true", "BackupsForceDestroy": "true", "DeletionProtection": "false"}
    stack = ("--stack-name", NAME)
    account = Account()
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "parameters.json"

        def deploy(**changed: str) -> None:
            file.write_text(json.dumps({"Parameters": given | changed}))
            command("deploy", *stack, "--bucket", bucket, "--parameters", str(file), "--yes")

        deploy()
        server = credentials.read(account, NAME, User.PUBLISHER)
        upload(server)
        install(server)
        deploy(ContainerMemory="1024")
        install(server)
        command("status", *stack, "--detect-drift")
        command("delete", *stack, "--unprotect", "--yes")
    left = left_behind(account)
    print("\n".join(["left behind, by their tag:", *left]) if left else "nothing is left")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: make live BUCKET=… PARAMETERS=parameters.json")
    live(sys.argv[1], sys.argv[2])
