"""A program written in Python, run often: a process that has imported it forks for each run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import TypeAlias

Run: TypeAlias = Callable[..., CompletedProcess[str]]
"""``run(*words)``: its exit code, or a signal's number below zero, and all that it wrote as ``stdout``."""

_FORKER = """
import json, os, sys, tempfile
%s
for line in sys.stdin:
    with tempfile.TemporaryFile("w+") as output:
        if not (pid := os.fork()):
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
            sys.exit(main(json.loads(line)))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        output.seek(0)
        print(json.dumps([code, output.read()]), flush=True)
"""


@contextmanager
def forked(
    main: str, directory: Path, environment: Mapping[str, str], python: str | Path = sys.executable
) -> Iterator[Run]:
    """``main`` is Python that imports a function of this name, which takes the words and gives the exit code.

    It may do what every run does, and writes nothing to its output.
    """
    command = [python, "-c", _FORKER % main]
    with subprocess.Popen(
        command, cwd=directory, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as forker:
        assert forker.stdin
        assert forker.stdout
        requests, answers = forker.stdin, forker.stdout

        def run(*words: object) -> CompletedProcess[str]:
            print(json.dumps([*map(str, words)]), file=requests, flush=True)
            code, output = json.loads(answers.readline())
            return CompletedProcess([*map(str, words)], code, output)

        yield run
        requests.close()
