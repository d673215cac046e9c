"""What `make mutants` says of a small project: planted where it changes something, judged by tests that are sound."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mutants.checkouts import Judge, Planted, checkouts
from tests.mutants.defects import defects
from tests.mutants.imports import that_may_run

ROOT = Path(__file__).parents[2]
FILES = {
    "generator/__init__.py": "",
    "generator/sums.py": "def total(numbers):\n    return sum(it for it in numbers if it > 0)\n\n\nUNSEEN = 1\n",
    "tests/__init__.py": "",
    "tests/test_sums.py": "from generator.sums import total\n\n\ndef test_it():\n    assert total([1, 2]) == 3\n",
    "tests/test_sums_wrongly.py": "import generator.sums\n\n\ndef test_it():\n    assert not generator.sums\n",
    "tests/test_others.py": "def test_it():\n    pass\n",
    "pytest.ini": "[pytest]\nmarkers = slow\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    shutil.copytree(ROOT / "tests" / "mutants", tmp_path / "tests" / "mutants")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
def test_defects_are_caught_by_the_tests_that_import_their_module_and_pass_without_them(project: Path) -> None:
    module = "generator/sums.py"
    tests = that_may_run(project, module)
    assert tests == ["tests/test_sums.py", "tests/test_sums_wrongly.py"]
    judge = Judge(lambda _: tests, seconds=60, end=float("inf"))
    source = (project / module).read_bytes()
    with checkouts(project, 1) as queue:
        checkout = queue.get()
        caught = {
            (it.line, it.new): judge.is_caught(checkout, Planted(module, it))
            for it in defects(source)
            if it.compiles_in(source)
        }
        assert (checkout.home / module).read_bytes() == source
    assert caught == {(2, ">="): False, (2, "(0 + 1)"): True, (5, "(1 + 1)"): False}
    assert judge.broken == {"tests/test_sums_wrongly.py"}
