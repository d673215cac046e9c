"""A command of ``pypiserver-aws`` in this process, where the process is not what is looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from subprocess import CompletedProcess
from unittest.mock import patch

from generator.commands import main


def command(words: tuple[str, ...], env: Mapping[str, str]) -> CompletedProcess[str]:
    """With just that environment."""
    with (
        patch.dict(os.environ, env, clear=True),
        redirect_stdout(StringIO()) as output,
        redirect_stderr(StringIO()) as errors,
    ):
        code = main([*words])
    return CompletedProcess(words, code, output.getvalue(), errors.getvalue())
