"""How the commands were called, for messages that say what to call next."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

NAME = "pypiserver-aws"
_DISTRIBUTION = "cloudformation-aws-pypiserver"
_CACHE_OF_UVX = ("archive-v0", "environments-v2")
"""Folders of uv's cache in which ``uvx`` creates environments, which are on nobody's PATH."""


def called_as() -> str:
    """Words for a shell in the same directory."""
    program = Path(sys.argv[0])
    if program.name != NAME:
        return shlex.join([_seen_from_here(Path(sys.executable)), "-m", "generator"])
    if source := _source_for_uvx():
        return shlex.join(["uvx", "--from", source, NAME])
    found = shutil.which(NAME)
    return NAME if found and Path(found).samefile(program) else shlex.join([_seen_from_here(program)])


def _source_for_uvx() -> str:
    """The argument of ``uvx --from``; empty if ``uvx`` was not the caller.

    https://packaging.python.org/en/latest/specifications/direct-url/
    """
    if not {*_CACHE_OF_UVX} & {*Path(sys.prefix).parts}:
        return ""
    try:
        direct = distribution(_DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        direct = None
    url = json.loads(direct)["url"] if direct else _DISTRIBUTION
    if not url.startswith("file:"):
        return url
    path = _seen_from_here(Path(unquote(urlsplit(url).path)))
    # A single word would be the name of a package.
    return path if path.startswith((".", "/")) else f"./{path}"


def _seen_from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
