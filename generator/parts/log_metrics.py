"""Metrics and queries on the tasks' log: who uploads, who is refused, what is slow.

docs/server.md describes the log's lines. Patterns:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
Queries: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

from troposphere import Sub, logs

from generator.language.wiring import Expression, Stack

NAMESPACE = "pypiserver/${TaskLogs}"
"""Of the metrics; a filter's dimensions come from the line, so the deployment is in the namespace."""
SLOW_SECONDS = 1

FILTERS = {
    "Uploads": '{ $.change = "upload" }',
    "Downloads": '{ $.method = "GET" && $.status = 200 && $.path = "/packages/*" && $.path != "*.metadata" }',
    "RefusedChanges": '{ $.change = "refusal" }',
    "RefusedLogins": '{ $.login = "refused" }',
    "SlowListings": f'{{ $.method = "GET" && $.path = "/simple/*" && $.seconds >= {SLOW_SECONDS} }}',
}
"""Patterns by metric, which counts the lines they match and is also the filter's logical ID."""
QUESTIONS = {
    "ChangesQuery": (
        "Who changed what",
        "fields @timestamp, user, change, file, sha256, size, reason, client | filter ispresent(change) "
        "| sort @timestamp desc | limit 100",
    ),
    "RefusalsQuery": (
        "Refused, by account and status",
        "filter status >= 400 | stats count(*) as requests by user, status, login | sort requests desc",
    ),
    "SlowRequestsQuery": (
        "Slow requests",
        f"fields @timestamp, seconds, method, path, status, bytes, user | filter seconds >= {SLOW_SECONDS} "
        "| sort seconds desc | limit 100",
    ),
}
"""By logical ID, the title and the text of a query for Logs Insights."""


def log_metrics(stack: Stack, task_logs: Expression) -> None:
    """The filters and the saved queries on the log group ``task_logs`` (name)."""
    for name, pattern in FILTERS.items():
        stack.add(
            logs.MetricFilter(
                name,
                LogGroupName=task_logs,
                FilterPattern=pattern,
                MetricTransformations=[
                    logs.MetricTransformation(
                        MetricNamespace=Sub(NAMESPACE, TaskLogs=task_logs),
                        MetricName=name,
                        MetricValue="1",
                        DefaultValue=0,
                    )
                ],
            )
        )
    for title, (name, text) in QUESTIONS.items():
        stack.add(
            logs.QueryDefinition(
                title,
                Name=Sub(f"pypiserver/${{TaskLogs}}/{name}", TaskLogs=task_logs),
                QueryString=text,
                LogGroupNames=[task_logs],
            )
        )
