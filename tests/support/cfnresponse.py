"""Stand-in for the module of this name that Lambda puts beside a function whose code is inline in a template.

Same names, same body, same way of sending:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
"""

from __future__ import annotations

import json
from typing import Any

import urllib3

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(
    event: dict[str, Any],
    context: Any,
    response_status: str,
    response_data: dict[str, Any],
    physical_resource_id: str | None = None,
    no_echo: bool = False,
    reason: str | None = None,
) -> None:
    """PUT the answer to the event's ResponseURL."""
    body = json.dumps(
        {
            "Status": response_status,
            "Reason": reason or f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
            "PhysicalResourceId": physical_resource_id or context.log_stream_name,
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
            "NoEcho": no_echo,
            "Data": response_data,
        }
    )
    headers = {"content-type": "", "content-length": str(len(body))}
    with urllib3.PoolManager() as http:
        http.request("PUT", event["ResponseURL"], headers=headers, body=body)
