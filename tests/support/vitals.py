"""What an account shows of a running deployment and moto lacks: drift, running tasks, backups and restores.

``vitals()`` adds the operations to the server of ``emulator``, within which it is opened, and gives what they answer;
a test sets it as the account would have come to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from calls import REGION
from emulator import ACCOUNT, backend
from moto.backup import urls
from moto.cloudformation import models, responses
from moto.core.responses import ActionResult
from moto.ecs.models import ecs_backends

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@dataclass
class Vitals:
    """``drifted``: names of stacks that a detection finds changed; ``detected``: what it found, by ARN of the stack;
    times by ARN of the resource."""

    drifted: set[str] = field(default_factory=set)
    detected: dict[str, str] = field(default_factory=dict)
    last_backup: dict[str, datetime] = field(default_factory=dict)
    last_restore: dict[str, datetime] = field(default_factory=dict)

    def run_tasks(self, service: str, running: int, desired: int) -> None:
        """Have ECS say so of the service with this ARN."""
        (found,) = (it for it in ecs_backends[ACCOUNT][REGION].services.values() if it.arn == service)
        found.running_count, found.desired_count = running, desired

    def detect(self, responder: Any) -> ActionResult:
        stack = responder.cloudformation_backend.get_stack(responder._get_param("StackName"))
        self.detected[stack.stack_id] = "DRIFTED" if stack.name in self.drifted else "IN_SYNC"
        return ActionResult({"StackDriftDetectionId": stack.stack_id})

    def drift(self, stack: Any) -> dict[str, object]:
        if stack.stack_id not in self.detected:
            return {"StackDriftStatus": "NOT_CHECKED"}
        return {"StackDriftStatus": self.detected[stack.stack_id], "LastCheckTimestamp": AT}

    def detection(self, responder: Any) -> ActionResult:
        stack = backend().get_stack(responder._get_param("StackDriftDetectionId"))
        return ActionResult(
            {
                "StackId": stack.stack_id,
                "StackDriftDetectionId": stack.stack_id,
                "StackDriftStatus": self.detected[stack.stack_id],
                "DetectionStatus": "DETECTION_COMPLETE",
                "Timestamp": AT,
            }
        )

    def protected(self, _request: Any, url: str, _headers: Any) -> tuple[int, dict[str, str], str]:
        """``DescribeProtectedResource`` and ``ListRestoreJobsByProtectedResource``, as botocore's model has them."""
        match = re.search(r"/resources/(arn.+?)(/restore-jobs/?)?(\?.*)?$", unquote(url))
        assert match, url
        arn, jobs, query = match.groups()
        if jobs:
            assert "status=COMPLETED" in query, "other jobs are none that restored anything"
            last = self.last_restore.get(arn)
            ended = [last - timedelta(days=before) for before in (1, 0, 2)] if last else []
            body = {"RestoreJobs": [{"Status": "COMPLETED", "CompletionDate": it.timestamp()} for it in ended]}
            return 200, {}, json.dumps(body)
        if arn not in self.last_backup:
            # As AWS Backup has it of a resource that has no recovery point.
            error = {"x-amzn-errortype": "ResourceNotFoundException"}
            return 404, error, json.dumps({"Message": f"No protected resource {arn}"})
        return 200, {}, json.dumps({"ResourceArn": arn, "LastBackupTime": self.last_backup[arn].timestamp()})


@contextmanager
def vitals() -> Iterator[Vitals]:
    found = Vitals()
    with pytest.MonkeyPatch.context() as patch:
        response = responses.CloudFormationResponse
        patch.setattr(response, "detect_stack_drift", lambda it: found.detect(it), raising=False)
        patch.setattr(response, "describe_stack_drift_detection_status", lambda it: found.detection(it), raising=False)
        patch.setattr(models.Stack, "drift_information", property(found.drift), raising=False)
        patch.setitem(urls.url_paths, "{0}/resources/(?P<resource>.+)$", found.protected)
        yield found
