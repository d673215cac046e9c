"""How long all editions take to build and write, beside an AWS CDK app of the same resources, in one run.

``python -m bench.templates CDK``: CDK is a directory whose node_modules has aws-cdk-lib. Both sides are whole
processes, start-up included, without validation; the CDK app is synthesized from plain CfnResources, which is the
least a CDK app can do, and once (we write the single-file edition too).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from generator.parent import nested

ROUNDS = 5
BUILD = """
import sys
from pathlib import Path
from generator.parent import templates
from generator.language.render import to_yaml
for name, template in templates().items():
    Path(sys.argv[1], name).write_text(to_yaml(template))
"""


def main() -> None:
    cdk = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        layers = Path(scratch, "layers.json")
        layers.write_text(
            json.dumps({stack.title: _layer(stack.template.to_dict()["Resources"]) for stack in nested().stacks})
        )
        app = Path(__file__).with_name("cdk_app.js")
        ours = [sys.executable, "-c", BUILD, scratch]
        theirs = ["node", str(app), str(layers), str(Path(scratch, "cdk.out"))]
        environment = {**os.environ, "NODE_PATH": str(cdk / "node_modules")}
        times: dict[str, list[float]] = {"generator": [], "CDK": []}
        for _ in range(ROUNDS):
            for name, command in (("generator", ours), ("CDK", theirs)):
                start = time.perf_counter()
                subprocess.run(command, check=True, env=environment)
                times[name].append(time.perf_counter() - start)
    seconds = {name: median(values) for name, values in times.items()}
    for name, value in seconds.items():
        print(f"{name:12}{value:8.2f} s")
    print(f"{'CDK / ours':12}{seconds['CDK'] / seconds['generator']:8.1f}")


def _layer(resources: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """What CfnResource takes; a reference to a sibling is data to it."""
    return {title: {"Type": it["Type"], "Properties": it["Properties"]} for title, it in resources.items()}


if __name__ == "__main__":
    main()
