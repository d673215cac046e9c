# What the command carries: a program, as a bzip2-compressed tar archive in base 85, some of its characters exchanged.
# This unpacks it into a private directory and runs it. `python -m generator program --from FILE` prints its sources,
# for any template or task definition that carries it. Their comments are in the repository that made the template.

import base64
import io
import os
import sys
import tarfile
import tempfile

home = tempfile.mkdtemp(prefix="pypiserver-")
packed = "".join(sys.argv[1].split()).translate(str.maketrans(",./:[]", "$&<>{}"))
with tarfile.open(fileobj=io.BytesIO(base64.b85decode(packed)), mode="r:bz2") as archive:
    for member in archive:
        source = archive.extractfile(member)
        if source is not None:
            path = os.path.join(home, member.name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as module:
                module.write(source.read())
os.chdir(home)
# pypiserver expands "~" when imported; a bare user number has no home.
os.environ.setdefault("HOME", home)
os.execv(sys.executable, [sys.executable, "-m", "server"])
