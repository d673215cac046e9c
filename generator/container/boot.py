"""`python3 -c <this file> NAME SOURCE NAME SOURCE ...`: write the modules to a private directory and run them."""

import os
import sys
import tempfile

home = tempfile.mkdtemp(prefix="pypiserver-")
os.mkdir(os.path.join(home, "container"))
for name, source in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    with open(os.path.join(home, "container", name), "w", encoding="utf-8") as module:
        module.write(source)
os.chdir(home)
# pypiserver expands "~" when imported; a bare user number has no home.
os.environ.setdefault("HOME", home)
os.execv(sys.executable, [sys.executable, "-m", "container"])
