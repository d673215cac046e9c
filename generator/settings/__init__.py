# ruff: noqa: F403, F405 - the modules of this package are one table, read as `settings.VPC_ID`
"""Every operator-facing parameter, once: a module for each group of the console form.

Names are the CamelCase of the Terraform module's inputs where those exist. Optional text is ``""`` when not
given, lists are comma-separated. A list that becomes fixed slots is a plain ``String`` with a pattern for the
whole, because a ``CommaDelimitedList`` cannot limit its length.
"""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.access import *
from generator.settings.automatic import *
from generator.settings.backup import *
from generator.settings.capacity import *
from generator.settings.container import *
from generator.settings.hosts import *
from generator.settings.monitoring import *
from generator.settings.naming import *
from generator.settings.protection import *
from generator.settings.required import *
from generator.settings.storage import *
from generator.settings.upstream import *

GROUPS: tuple[Group, ...] = (
    REQUIRED,
    NAMING,
    ACCESS,
    CONTAINER,
    UPSTREAM,
    CAPACITIES,
    HOSTS,
    STORAGE,
    BACKUP,
    MONITORING,
    PROTECTION,
    AUTOMATIC,
)
"""The console form, in its order."""
ALL: tuple[Setting, ...] = tuple(setting for group in GROUPS for setting in group.settings)
