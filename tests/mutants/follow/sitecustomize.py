"""Notes every function of the project that runs in this process: Python imports this module first where it is in the path.

A line of the file named by FOLLOW_INTO is a module's path and a function, a tab between; empty at the module's level.
"""

import os
import sys
import threading
from types import CodeType, FrameType

_PACKAGES = ("generator", "server", "functions")


def _follow(into: str) -> None:
    file = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    seen: set[CodeType] = set()

    def called(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if code in seen:
            return
        seen.add(code)
        parts = code.co_filename.split("/")
        for at, part in enumerate(parts):
            # Also below a directory that the program was unpacked into.
            if part in _PACKAGES and parts[-1].endswith(".py"):
                name = getattr(code, "co_qualname", code.co_name).partition(".<")[0]
                os.write(file, f"{'/'.join(parts[at:])}\t{'' if name == '<module>' else name}\n".encode())
                break

    threading.settrace(called)
    sys.settrace(called)


if _into := os.environ.get("FOLLOW_INTO"):
    _follow(_into)
