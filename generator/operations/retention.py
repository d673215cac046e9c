"""How long backups are kept under the vault's lock: Rules of a template cannot compare numbers."""

from __future__ import annotations

from collections.abc import Mapping

from generator.operations.exits import Problem
from generator.operations.form import Parameter

_DAYS = ("BackupRetentionDays", "BackupWeeklyRetentionDays", "BackupMonthlyRetentionDays")
_LEAST = "BackupLockMinDays"


def refuse_retention(form: list[Parameter], given: Mapping[str, str], previous: Mapping[str, str]) -> None:
    """Raises Problem if backups would be kept for fewer days than the vault's lock allows, and therefore all fail.

    ``previous`` are the values that the stack has. The form of a former release has no lock.
    """
    defaults = {it.name: it.default or "" for it in form}
    values = {**defaults, **previous, **given}
    if values.get("BackupVaultLock", "none") == "none" or values["EnableEfsBackup"] != "true":
        return
    short = [name for name in _DAYS if 0 < int(values[name]) < int(values[_LEAST])]
    if short:
        raise Problem(
            "\n".join(
                f"{name} is {values[name]}, fewer than {_LEAST}={values[_LEAST]}: such backups fail" for name in short
            )
        )
