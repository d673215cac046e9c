"""What `make mutants` says of a small project: planted where it changes something, judged by tests that are sound."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.mutants.checkouts import Judge, checkouts
from tests.mutants.chosen import Chosen, Planted
from tests.mutants.defects import defects
from tests.mutants.recorded import Recorded, load, record, save
from tests.mutants.runner import NotSwapped
from tests.mutants.together import failing

ROOT = Path(__file__).parents[2]
HARMLESS = tomllib.loads((ROOT / "tests" / "mutants" / "harmless.toml").read_text())["harmless"]
MODULE = "generator/sums.py"
SUMS = """
import subprocess, sys
from generator.sums import total

def test_it():
    assert total([1, 2]) == 3

def test_nothing():
    pass

def test_it_elsewhere():
    program = "from generator.sums import total; print(total([1, 2]))"
    assert subprocess.check_output([sys.executable, "-c", program]) == b"3\\n"
"""
FILES = {
    "generator/__init__.py": "",
    MODULE: "LEAST = 0\n\n\ndef total(numbers):\n    return sum(it for it in numbers if it > LEAST) + 0\n\n\nUNSEEN = 1\nSums = dict[str, int]\n",
    "tests/__init__.py": "",
    "tests/test_sums.py": SUMS,
    "tests/test_sums_wrongly.py": "import generator.sums\n\n\ndef test_it():\n    assert not generator.sums\n",
    "tests/test_others.py": "def test_it():\n    pass\n",
    "tests/test_waits.py": "import time\n\n\ndef test_it():\n    time.sleep(60)\n",
    "pytest.ini": "[pytest]\naddopts = -p workers\npythonpath = .\nmarkers = slow\nfilterwarnings = error\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    shutil.copytree(ROOT / "tests" / "mutants", tmp_path / "tests" / "mutants")
    shutil.copy(ROOT / "tests" / "support" / "workers.py", tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def planted(project: Path) -> dict[tuple[int, str], Planted]:
    """By its line and the new text."""
    source = (project / MODULE).read_bytes()
    return {(it.line, it.new): Planted(MODULE, it) for it in defects(source) if it.compiles_in(source)}


@pytest.mark.parametrize("known", HARMLESS, ids=lambda it: f"{it['module']}: {it['line']}")
def test_what_changes_nothing_is_still_there(known: dict[str, str]) -> None:
    left, right = known["line"].split("^")
    within = ROOT / known["module"]
    modules = within.rglob("*.py") if within.is_dir() else [within]
    assert any(left + right in it.read_text() for it in modules)
    assert known["reason"].endswith(".")


@pytest.mark.slow
def test_defects_are_caught_by_the_tests_that_import_their_module_and_pass_without_them(project: Path) -> None:
    chosen = Chosen(project, {})
    judge = Judge(chosen, chosen.runs_at_import, seconds=60, end=float("inf"))
    with checkouts(project, 1) as queue:
        checkout = queue.get()
        caught = {key: judge.caught_by(checkout, it) for key, it in planted(project).items()}
        assert (checkout.home / MODULE).read_text() == FILES[MODULE]
    test = "tests/test_sums.py::test_it"
    assert caught == {(1, "(0 + 1)"): test, (5, ">="): None, (5, "-"): None, (5, "(0 + 1)"): test, (8, "(1 + 1)"): None}
    assert judge.broken == {"tests/test_sums_wrongly.py"}


@pytest.mark.slow
def test_of_files_that_were_watched_those_tests_judge_that_run_the_function(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "recorded.json"
    save(path, {it: record(project, it) for it in ("tests/test_sums.py", "tests/test_others.py")})
    chosen = Chosen(project, load(path))
    names = {line: {test.name for test in chosen(it)} for (line, _), it in planted(project).items()}
    running = {"tests/test_sums.py::test_it", "tests/test_sums.py::test_it_elsewhere", "tests/test_sums_wrongly.py"}
    assert names[5] == running
    assert names[8] == running | {"tests/test_sums.py::test_nothing"}


def test_one_that_takes_longer_than_all_may_leaves_their_time_to_others(project: Path) -> None:
    seconds = {
        "tests/test_sums.py::test_long": 9.0,
        "tests/test_sums.py::test_it": 3.0,
        "tests/test_sums.py::test_more": 2.0,
    }
    recorded = {"tests/test_sums.py": Recorded(seconds, {MODULE: {"total": 0b111, **dict.fromkeys("abcde", 0b001)}})}
    chosen = Chosen(project, recorded, enough=4)
    names = [it.name for it in chosen(planted(project)[5, ">="]) if it.seconds]
    assert names == ["tests/test_sums.py::test_more"]


@pytest.mark.slow
def test_what_survives_is_judged_by_what_fails_with_all_of_it_planted(project: Path) -> None:
    (project / "tests/test_waits.py").unlink()
    survivors = planted(project)
    names = failing(project, [survivors[key] for key in ((5, ">="), (5, "(0 + 1)"), (8, "(1 + 1)"))], 1)
    sums = "tests/test_sums.py::"
    assert names == {f"{sums}test_it", f"{sums}test_it_elsewhere", "tests/test_sums_wrongly.py::test_it"}
    recorded = {it: record(project, it) for it in ("tests/test_sums.py", "tests/test_others.py")}
    chosen = Chosen(project, recorded, among=names - {f"{sums}test_it_elsewhere"})
    assert [it.name for it in chosen(survivors[5, "(0 + 1)"])] == [f"{sums}test_it", "tests/test_sums_wrongly.py"]
    assert failing(project, [survivors[5, ">="], survivors[8, "(1 + 1)"]], 1) == {"tests/test_sums_wrongly.py::test_it"}


@pytest.mark.slow
def test_what_takes_too_long_is_ended_and_the_next_run_has_its_time(project: Path) -> None:
    with checkouts(project, 1) as queue:
        runner = queue.get().runner
        failing = [runner.first_failing([f"tests/test_{it}.py"], 5) for it in ("waits", "others", "sums")]
    assert failing == ["", None, None]


@pytest.mark.slow
def test_nothing_is_judged_when_the_time_is_up(project: Path) -> None:
    chosen = Chosen(project, {})
    judge = Judge(chosen, chosen.runs_at_import, seconds=60, end=0)
    with checkouts(project, 1) as queue, pytest.raises(TimeoutError):
        judge.caught_by(queue.get(), planted(project)[5, ">="])


@pytest.mark.slow
def test_one_function_can_be_changed_where_it_is_imported_already(project: Path) -> None:
    with checkouts(project, 1) as queue:
        checkout = queue.get()
        failing = {}
        for key, it in planted(project).items():
            with checkout.planted(it):
                try:
                    failing[key] = checkout.collected.first_failing(["tests/test_sums.py"], 60, MODULE)
                except NotSwapped:
                    failing[key] = "at import"
        sound = checkout.collected.first_failing(["tests/test_sums.py"], 60)
    test = "tests/test_sums.py::test_it"
    by_line = {
        (1, "(0 + 1)"): "at import",
        (5, ">="): None,
        (5, "-"): None,
        (5, "(0 + 1)"): test,
        (8, "(1 + 1)"): "at import",
    }
    assert failing == by_line
    assert sound is None


@pytest.mark.slow
def test_what_cannot_be_imported_spoils_no_later_run(project: Path) -> None:
    with checkouts(project, 1) as queue:
        checkout = queue.get()
        (checkout.home / "tests" / "conftest.py").write_text("import generator.sums\n")
        whole = (module := checkout.home / MODULE).read_text()
        module.write_text(f"import nothing_such\n{whole}")
        failing = checkout.runner.first_failing(["tests/test_sums.py"], 60)
        module.write_text(whole)
        assert failing is not None
        assert checkout.runner.first_failing(["tests/test_sums.py"], 60) is None
