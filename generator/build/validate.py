"""Which templates need validating, and what the validators find.

Templates found clean are remembered by content, so only changed templates are validated again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path


def unvalidated(directory: Path, remembered: Path) -> dict[Path, Path]:
    """The templates in ``directory`` that are not known to be clean, each with the mark that would say so.

    A mark is an empty file in the directory ``remembered``, named by a hash. The largest template takes longest, and
    comes first.
    """
    order = sorted(directory.glob("*.yaml"), key=lambda path: (-path.stat().st_size, path.name))
    marks = {path: remembered / _fingerprint(path) for path in order}
    return {path: mark for path, mark in marks.items() if not mark.exists()}


def validate(marks: Mapping[Path, Path]) -> Iterator[tuple[Path, list[str]]]:
    """Each template once validated, with every finding, one per line. Clean ones get their mark."""
    if not marks:
        return
    # A second of loading, only if something changed; before the pool, so that its processes have it.
    from generator.build.validators import findings

    with ProcessPoolExecutor() as pool:
        tasks = {pool.submit(findings, path): path for path in marks}
        for task in as_completed(tasks):
            path, found = tasks[task], task.result()
            if not found:
                marks[path].parent.mkdir(parents=True, exist_ok=True)
                marks[path].touch()
            yield path, found


def _fingerprint(template: Path) -> str:
    """Everything that the findings on ``template`` depend on."""
    children = re.findall(r"^ *TemplateURL: (\S+)$", template.read_text(encoding="utf-8"), re.MULTILINE)
    ours = Path(__file__).parent.glob("validat*.py")
    files = [*sorted(ours), template, *(template.parent / child for child in children)]
    read = b"".join(file.name.encode() + file.read_bytes() for file in files)
    return sha256(version("cfn-lint").encode() + version("cloudformation-validate").encode() + read).hexdigest()
