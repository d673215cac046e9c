"""Recovery points and restores, which moto's AWS Backup lacks, and a change of a file system's throughput.

``restores()`` adds the operations to the server of ``emulator``, within which it is opened. A job is PENDING when it is
first described, then RUNNING, then it has ended, in a file system of moto's made with the metadata that was given, but
without files. So this proves neither that AWS accepts the metadata, nor how long a restore takes, nor what is restored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.validate import validate_parameters  # type: ignore[import-untyped] # botocore has no types
from calls import REGION, Json, client
from emulator import ACCOUNT
from moto.backup import urls
from moto.core.responses import ActionResult
from moto.efs.exceptions import EFSError
from moto.efs.responses import EFSResponse

from generator.operations import file_systems, recovery_points

Operation = Callable[[Any], Any]
"""Of moto's, on its responder."""
Answer = tuple[int, dict[str, str], str]
MADE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def file_system_arn(identity: str) -> str:
    return f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/{identity}"


@dataclass
class Restores:
    """``points``: by vault; ``jobs``: by ID, in the order of their beginning; ``fails``: how the next ones end;
    ``keys``: by recovery point, what its metadata says of a key;
    ``loses_answer``: the next is begun, and whoever asked gets a 500; ``pauses``: what was waited for, in seconds, at no time.
    """

    points: dict[str, list[Json]] = field(default_factory=dict)
    jobs: dict[str, Json] = field(default_factory=dict)
    asked: list[Json] = field(default_factory=list)
    fails: str = ""
    keys: dict[str, Json] = field(default_factory=dict)
    loses_answer: bool = False
    steps: int = 2
    made: int = 0
    pauses: list[float] = field(default_factory=list)

    def add_point(self, vault: str, file_system: str, *, days: int = 0, status: str = "COMPLETED") -> str:
        """A recovery point of ``file_system``, ``days`` after MADE; its ARN."""
        points = self.points.setdefault(vault, [])
        arn = f"arn:aws:backup:{REGION}:{ACCOUNT}:recovery-point:{self.made:08d}-0000-0000-0000-000000000000"
        self.made += 1
        points.append(
            {
                "RecoveryPointArn": arn,
                "BackupVaultName": vault,
                "ResourceArn": file_system_arn(file_system),
                "ResourceType": "EFS",
                "Status": status,
                "CreationDate": (MADE + timedelta(days=days)).timestamp(),
                "BackupSizeInBytes": 5_000_000_000,
            }
        )
        return arn

    def add_job(self, point: str, **job: Any) -> str:
        identity = f"job-{len(self.jobs)}"
        created = (MADE + timedelta(minutes=len(self.jobs))).timestamp()
        self.jobs[identity] = {
            "RestoreJobId": identity,
            "RecoveryPointArn": point,
            "ResourceType": "EFS",
            "CreationDate": created,
            **job,
        }
        return identity

    def add_restored(self, vault: str, file_system: str) -> tuple[str, str]:
        """A recovery point of ``file_system``, and the one that it was restored into."""
        point = self.add_point(vault, file_system)
        made = str(client("efs").create_file_system(CreationToken=f"of-{point}", Encrypted=True)["FileSystemId"])
        self.add_job(point, Status="COMPLETED", CreatedResourceArn=file_system_arn(made))
        return point, made

    def list_points(self, _request: Any, url: str, _headers: Any) -> Answer:
        """In pages of two."""
        match = re.search(r"/backup-vaults/([^/]+)/recovery-points/?\?(.*)$", unquote(url))
        assert match, url
        assert "resourceType=EFS" in match[2]
        token = re.search(r"nextToken=(\d+)", match[2])
        start = int(token[1]) if token else 0
        points = self.points.get(match[1], [])
        more = {"NextToken": str(start + 2)} if points[start + 2 :] else {}
        return 200, {}, json.dumps({"RecoveryPoints": points[start : start + 2], **more})

    def metadata(self, _request: Any, url: str, _headers: Any) -> Answer:
        match = re.search(r"/backup-vaults/([^/]+)/recovery-points/(arn[^/]+)/restore-metadata", unquote(url))
        assert match, url
        (point,) = [it for it in self.points[match[1]] if it["RecoveryPointArn"] == match[2]]
        identity = point["ResourceArn"].rpartition("/")[2]
        return 200, {}, json.dumps({"RestoreMetadata": {"file-system-id": identity, **self.keys.get(match[2], {})}})

    def start_or_list(self, request: Any, url: str, _headers: Any) -> Answer:
        if request.method == "GET":
            wanted = re.search(r"status=(\w+)", url)
            jobs = [it for it in self.jobs.values() if not wanted or it["Status"] == wanted[1]]
            return 200, {}, json.dumps({"RestoreJobs": jobs})
        given = json.loads(request.get_data())
        shape = client("backup").meta.service_model.operation_model("StartRestoreJob").input_shape
        validate_parameters(given, shape)
        again = [name for name, it in self.jobs.items() if it.get("token") == given["IdempotencyToken"]]
        if not again:
            self.asked.append(given)
            job = {"Status": "PENDING", "steps": self.steps, "token": given["IdempotencyToken"]}
            again = [self.add_job(given["RecoveryPointArn"], metadata=given["Metadata"], **job)]
        if self.loses_answer:
            self.loses_answer = False
            return 500, {}, json.dumps({"message": "lost"})
        return 200, {}, json.dumps({"RestoreJobId": again[0]})

    def describe(self, _request: Any, url: str, _headers: Any) -> Answer:
        job = self.jobs[url.rpartition("/")[2]]
        answer = dict(job)
        if job["Status"] in ("PENDING", "RUNNING"):
            job["steps"] -= 1
            job["Status"], job["PercentDone"] = "RUNNING", "50.00%"
            if job["steps"] <= 0:
                self._end(job)
        return 200, {}, json.dumps(answer)

    def _end(self, job: Json) -> None:
        if self.fails:
            job["Status"], job["StatusMessage"] = "FAILED", self.fails
            return
        given = job["metadata"]
        made = client("efs").create_file_system(
            CreationToken=given["CreationToken"],
            Encrypted=given["Encrypted"] == "true",
            PerformanceMode=given["PerformanceMode"],
            **({"KmsKeyId": given["KmsKeyId"]} if "KmsKeyId" in given else {}),
        )["FileSystemId"]
        job["Status"], job["PercentDone"], job["CreatedResourceArn"] = "COMPLETED", "100.00%", file_system_arn(made)


def _update_file_system(responder: Any) -> ActionResult:
    """moto has none."""
    file_system = responder.efs_backend.file_systems_by_id[responder._get_param("FileSystemId")]
    assert file_system.throughput_mode != responder._get_param("ThroughputMode"), "EFS refuses what is so already"
    file_system.throughput_mode = responder._get_param("ThroughputMode")
    file_system.provisioned_throughput_in_mibps = responder._get_param("ProvisionedThroughputInMibps", 0)
    file_system.life_cycle_state = "updating"
    return ActionResult(file_system.info_json())


def _after_updating(describe: Operation) -> Operation:
    """A file system is ``updating`` when it is first described, then ``available``."""

    def described(responder: Any) -> Any:
        answer = describe(responder)
        for file_system in responder.efs_backend.file_systems_by_id.values():
            if file_system.life_cycle_state == "updating":
                file_system.life_cycle_state = "available"
        return answer

    return described


def _refusing(put: Operation) -> Operation:
    """EFS's refusals of a lifecycle, which moto has not.

    https://docs.aws.amazon.com/efs/latest/ug/API_PutLifecycleConfiguration.html
    """

    def refused(responder: Any) -> Any:
        file_system = responder.efs_backend.file_systems_by_id[responder._get_param("FileSystemId")]
        archives = any("TransitionToArchive" in it for it in responder._get_param("LifecyclePolicies"))
        if file_system.life_cycle_state != "available":
            raise EFSError("IncorrectFileSystemLifeCycleState", f"it is {file_system.life_cycle_state}")
        if archives and file_system.throughput_mode != "elastic":
            raise EFSError(
                "BadRequest", "The ThroughputMode value for the file system does not support TransitionToArchive"
            )
        return put(responder)

    return refused


@contextmanager
def restores() -> Iterator[Restores]:
    found = Restores()
    with pytest.MonkeyPatch.context() as patch:
        for module in (recovery_points, file_systems):
            patch.setattr(module, "time", SimpleNamespace(sleep=found.pauses.append))
        patch.setattr(EFSResponse, "update_file_system", _update_file_system, raising=False)
        patch.setattr(EFSResponse, "describe_file_systems", _after_updating(EFSResponse.describe_file_systems))
        refusing = _refusing(EFSResponse.put_lifecycle_configuration)
        patch.setattr(EFSResponse, "put_lifecycle_configuration", refusing)
        points = "{0}/backup-vaults/(?P<vault>[^/]+)/recovery-points"
        patch.setitem(urls.url_paths, f"{points}/$", found.list_points)
        patch.setitem(urls.url_paths, f"{points}/(?P<point>[^/]+)/restore-metadata$", found.metadata)
        # One is asked for with a slash at the end, the other without.
        patch.setitem(urls.url_paths, "{0}/restore-jobs$", found.start_or_list)
        patch.setitem(urls.url_paths, "{0}/restore-jobs/$", found.start_or_list)
        patch.setitem(urls.url_paths, "{0}/restore-jobs/(?P<job>[^/]+)$", found.describe)
        yield found
