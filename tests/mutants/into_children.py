"""A plugin of pytest: processes that tests start with an environment of their own are followed too."""

from __future__ import annotations

import os
import subprocess
from typing import Any

_start = subprocess.Popen.__init__


def _start_followed(process: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
    environment = options.get("env")
    if environment is not None:
        path = os.pathsep.join(filter(None, [os.environ["PYTHONPATH"], environment.get("PYTHONPATH")]))
        options["env"] = {**environment, "PYTHONPATH": path, "FOLLOW_INTO": os.environ["FOLLOW_INTO"]}
    _start(process, *arguments, **options)


subprocess.Popen.__init__ = _start_followed  # type: ignore[method-assign, assignment]  # what a plugin of pytest can do
