"""The pages of docs/runbooks/ that alarms and messages name."""

from __future__ import annotations

FOLDER = "docs/runbooks"
OUTAGE = "packages-unavailable"
TASKS = "tasks-fail"
SLOW = "answers-are-slow"
CREDITS = "credits-are-exhausted"
HOST = "host-is-lost"
LOGINS = "logins-are-refused"
ROTATION = "rotation-failed"
CERTIFICATE = "certificate-expires"
DEPLOYMENT = "deployment-failed"
BACKUP = "backup-failed"
RESTORE = "restore-failed"


def named(text: str, runbook: str) -> str:
    """``text``, followed by where to read on."""
    return f"{text} Runbook: {FOLDER}/{runbook}.md"
