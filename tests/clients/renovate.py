"""Renovate, which proposes updates: of a directory, so it needs no account of GitHub's."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from pathlib import Path

from tests.server.tasks import READER, Task

from .environments import installed_by_npm
from .matrix import SECONDS, Outcome
from .releases import WANTED, WITHDRAWN

# What it should propose from: of the others there is only what it should propose, and it takes any number for a past one.
OLD = {WITHDRAWN[0]: WANTED[WITHDRAWN[0]]}


def renovate(version: str, path: str, cache: Path, home: Path, task: Task) -> tuple[Outcome, Outcome]:
    """The registry's address ends in `path`. Updates must be three days old, and for Python 3.13."""
    architecture = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
    modules = installed_by_npm(cache, f"renovate@{version}", f"node-linux-{architecture}@24")
    node = modules / f"node-linux-{architecture}" / "bin" / "node"
    config = {
        "platform": "local",
        "dryRun": "lookup",
        "onboarding": False,
        "requireConfig": "ignored",
        "enabledManagers": ["pip_requirements"],
        "hostRules": [{"matchHost": task.url, "username": READER[0], "password": READER[1]}],
        "packageRules": [{"matchDatasources": ["pypi"], "registryUrls": [task.url + path]}],
        "constraints": {"python": "==3.13"},
        "constraintsFiltering": "strict",
        "minimumReleaseAge": "3 days",
        "internalChecksFilter": "strict",
        "separateMajorMinor": False,
        "reportType": "file",
        "reportPath": str(home / "report.json"),
    }
    (home / "config.json").write_text(json.dumps(config))
    (home / "repository").mkdir()
    requirements = "".join(f"{name}=={OLD.get(name, '0.0')}\n" for name in WANTED)
    (home / "repository" / "requirements.txt").write_text(requirements)

    def proposed() -> Outcome:
        before = len(task.access_log())
        ran = subprocess.run(
            [node, modules / "renovate" / "dist" / "renovate.js"],
            cwd=home / "repository",
            env={
                "PATH": f"{node.parent}{os.pathsep}{os.defpath}",
                "HOME": str(home),
                "RENOVATE_CONFIG_FILE": str(home / "config.json"),
            },
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        report = json.loads((home / "report.json").read_text())
        (file,) = report["repositories"]["local"]["packageFiles"]["pip_requirements"]
        found = {
            it["depName"]: it["updates"][-1]["newVersion"] if it["updates"] else it["currentVersion"]
            for it in file["deps"]
        }
        wrong = {name: found.get(name, "nothing") for name, version in WANTED.items() if found.get(name) != version}
        return Outcome(wrong, Counter(line["status"] for line in task.access_log()[before:]), ran.stdout + ran.stderr)

    return proposed(), proposed()
