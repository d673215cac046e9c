"""The runbooks of docs/operations.md that alarms and messages name, by their headings."""

from __future__ import annotations

OUTAGE = "Packages cannot be had"
TASKS = "Tasks fail or are missing"
SLOW = "Answers are slow"
CREDITS = "Credits are exhausted"
HOST = "A host is lost"
LOGINS = "Many logins are refused"
ROTATION = "A password could not be rotated"
CERTIFICATE = "The certificate expires"
DEPLOYMENT = "A deployment failed"
BACKUP = "A backup failed"
RESTORE = "A restore failed"


def named(text: str, runbook: str) -> str:
    """``text``, and where to read on."""
    return f"{text} Runbook: {runbook}."
