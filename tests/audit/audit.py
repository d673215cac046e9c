"""``make audit``: checkov and cdk-nag on what our templates become, against ``generator.build.findings``.

``python audit.py CHECKOV NODE_MODULES``: the program, and a directory that has aws-cdk-lib and cdk-nag. Nothing goes
over the network. Exit code 1: a finding is not explained, or an explanation has no finding.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from rendered import deployments

from generator.build.findings import EXPLAINED, Explained

_PACKS = re.compile(r"^(NIST\.800\.53\.R5|PCI\.DSS\.321)-")


class Finding(NamedTuple):
    deployment: str
    rule: str
    resource: str
    text: str


def compare(findings: Iterable[Finding], explained: Sequence[Explained]) -> list[str]:
    """What is wrong, one to a line: findings that no entry explains, then rules and resources without any finding."""
    unexplained: dict[tuple[str, str], list[Finding]] = {}
    stale = {(it, name) for it in explained for name in (*it.rules, *it.resources)}
    for finding in findings:
        rule = _PACKS.sub("", finding.rule)
        matches = [
            (it, name)
            for it in explained
            if rule in it.rules
            for name in it.resources
            if fnmatchcase(finding.resource, name)
        ]
        for it, name in matches:
            stale -= {(it, rule), (it, name)}
        if not matches:
            unexplained.setdefault((rule, finding.resource), []).append(finding)
    problems = [
        f"{rule} on {resource} ({', '.join(sorted({it.deployment for it in found}))}): {found[0].text}\n"
        "    Mend it, or say in generator/build/findings.py why it stays."
        for (rule, resource), found in sorted(unexplained.items())
    ]
    problems += [
        f"{', '.join(it.rules)} on {', '.join(it.resources)}: nothing is found any more for {name}\n"
        "    Take it out of generator/build/findings.py."
        for it in explained
        for name in (*it.rules, *it.resources)
        if (it, name) in stale
    ]
    return problems


def checkov(directory: Path, program: str) -> list[Finding]:
    """Raises SystemExit where it could not read every template: what is not read has no findings."""
    words = [program, "-d", str(directory), "--framework", "cloudformation", "--skip-download", "--quiet", "-o", "json"]
    output = _run([*words, "--soft-fail", "--compact"], {})
    report = json.loads(output)
    if report["summary"]["parsing_errors"]:
        sys.exit(f"checkov can't read {report['results']['parsing_errors']}")
    return [
        Finding(Path(it["file_path"]).stem, it["check_id"], it["resource"].rpartition(".")[2], it["check_name"])
        for it in report["results"]["failed_checks"]
    ]


def cdk_nag(directory: Path, modules: str) -> list[Finding]:
    """AwsSolutions, NIST 800-53 (R5) and PCI DSS 3.2.1; a rule that fails to evaluate is a finding too."""
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(__file__).with_name("cdk_nag.js")
        output = _run(["node", str(script), str(directory), scratch], {"NODE_PATH": str(Path(modules).resolve())})
    return [Finding(*json.loads(line)) for line in output.splitlines()]


def _run(words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{words[0]} failed:\n{done.stderr}")
    return done.stdout


def main(program: str, modules: str) -> int:
    findings: list[Finding] = []
    scanners: list[tuple[Callable[[Path, str], list[Finding]], str]] = [(checkov, program), (cdk_nag, modules)]
    with tempfile.TemporaryDirectory() as scratch:
        rendered = deployments()
        for name, template in rendered.items():
            Path(scratch, f"{name}.json").write_text(json.dumps(template))
        print(f"{len(rendered)} deployments: {', '.join(rendered)}", flush=True)
        for scan, argument in scanners:
            print(f"{scan.__name__} …", flush=True)
            found = scan(Path(scratch), argument)
            print(f"{scan.__name__}: {len(found)} findings", flush=True)
            findings += found
    problems = compare(findings, EXPLAINED)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(problems)} not explained or stale", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
