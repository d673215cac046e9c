"""How a checked upload becomes public: a distribution and its signature, both or neither."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import time

from server.distributions.listed import package_at
from server.distributions.releases import Released, same_file, same_version
from server.distributions.times import DAY_SECONDS, moment
from server.store.packages import Packages
from server.store.staging import Staged, Uncertain, settle
from server.wire.messages import Refusal

log = logging.getLogger("gunicorn.error")

# Each waits for up to twice as long as the one before, the first for up to 0.1 s.
ATTEMPTS = 6


class _Rival(Exception):
    """The same file became visible under another spelling at the same time."""


class Publication:
    """Every method raises Refusal, whose text is true of what is stored then.

    A refusal comes before anything is visible, a success after everything is. A failure in between is undone; if that
    fails too, the refusal says what is public.
    The same upload again succeeds, whatever became of the first.
    """

    def __init__(self, packages: Packages, *, immutable: bool, taken_status: int) -> None:
        """`taken_status` answers an upload of a file that exists."""
        self._packages = packages
        self._root = packages.index.root
        self._immutable = immutable
        self._taken_status = taken_status

    def stored(self, content: Staged, released: Released, *, published: bool = False) -> str | None:
        """The path at which this very file is stored, if it is; once it is `published`, any path but its own.

        Raises Refusal if another file is stored under its name, or any under another spelling of it; OSError.
        """
        index = self._packages.index
        index.refresh()
        found = None
        for path in index.paths(released.project):
            name = path.rpartition("/")[2]
            if not same_file(released, name):
                continue
            if name != content.name:
                raise self._taken(content.name, f"as {path}")
            if self._immutable and not (published and path == content.name):
                self._compare(path, content)
                found = path
        return found

    def require_open(self, content: Staged, released: Released, days: int) -> None:
        """Raises Refusal for another file of a release whose first was uploaded more than `days` ago; OSError."""
        times = []
        for path in self._packages.index.paths(released.project):
            if same_version(package_at(path).version, released):
                # A file may be replaced where that is allowed.
                if path == content.name:
                    return
                with contextlib.suppress(FileNotFoundError):
                    times.append(os.stat(self._root / path).st_mtime)
        if times and time.time() - min(times) > days * DAY_SECONDS:
            raise Refusal(
                400,
                f"Nothing was stored: uploading new files to releases older than {days} days is not allowed, and the first "
                f"file of {released.project} {released.version} is of {moment(int(min(times)) * 10**9):%Y-%m-%d}. "
                "Upload under a new version.",
            )

    def publish(self, content: Staged, signature: Staged | None, released: Released) -> None:
        """Also refuses what `stored` refuses: another task may have published it since."""
        for attempt in range(ATTEMPTS):
            try:
                return self._publish(content, signature, released)
            except _Rival:
                # If the other upload is undone as well, one of them has to come first.
                time.sleep(secrets.randbelow(100 << attempt) / 1000)
                self.stored(content, released)
        raise Refusal(503, "Nothing was stored: the same file is being uploaded under another spelling. Upload again.")

    def _publish(self, content: Staged, signature: Staged | None, released: Released) -> None:
        """Also raises _Rival, after which nothing of this is stored."""
        files = [staged for staged in (signature, content) if staged is not None]
        try:
            path = self.stored(content, released)
            if path is not None and "/" in path:
                if signature:
                    raise self._taken(content.name, f"as {path}, without the signature")
                files = []
            for staged in files:
                staged.flush()
            if signature is None:
                self._drop_signature(content)
        except OSError as error:
            raise storage_refusal(error) from error
        made: list[Staged] = []
        try:
            for staged in files:
                # A signature without its file was left by an interrupted upload, so it may be replaced.
                if self._make_visible(staged, replace=not self._immutable or (path is None and staged is signature)):
                    made.append(staged)
            # Two tasks may publish two spellings of one file at once, and each looks before the other's is there.
            # Both look again after publishing, so at least one sees the other's and undoes its own.
            try:
                self.stored(content, released, published=True)
            except Refusal as error:
                raise _Rival from error
        except (_Rival, Refusal, OSError) as error:
            self._take_back(made, error)
            raise storage_refusal(error) if isinstance(error, OSError) else error from error
        try:
            for staged in made:
                staged.settle()
            if content not in made:
                settle(self._root, path or content.name)
        except OSError as error:
            raise _unsettled(content.name, error) from error
        for staged in made:
            with contextlib.suppress(OSError):
                self._packages.details.learn(staged.name, staged.file, staged.sha256, staged.description)

    def _drop_signature(self, content: Staged) -> None:
        """Before a file is replaced: otherwise the old signature would be taken for the new file's. Raises OSError."""
        signature = f"{content.name}.asc"
        with contextlib.suppress(FileNotFoundError):
            if not self._immutable and self._packages.details.get(content.name).sha256 != content.sha256:
                self._packages.remove(signature)

    def _make_visible(self, staged: Staged, *, replace: bool) -> bool:
        """False if the very same content is already stored under the name. Raises Refusal and OSError."""
        try:
            self._packages.publish(staged, replace=replace)
        except (FileExistsError, IsADirectoryError):
            self._compare(staged.name, staged)
            return False
        except Uncertain as error:
            raise _unsettled(staged.name, error) from error
        return True

    def _take_back(self, made: list[Staged], cause: Exception) -> None:
        """Raises Refusal, which says what is public, if it cannot be undone."""
        # Without immutability a file may have replaced another, which is gone: removing it would lose both.
        try:
            if not self._immutable and any(staged.replaced for staged in made):
                raise OSError(errno.EIO, str(cause))
            for staged in reversed(made):
                staged.withdraw()
        except OSError as error:
            names = " and ".join(staged.name for staged in made)
            log.error("Stored in part: %s: %s", names, error)
            raise Refusal(
                503, f"Stored in part: {names} is public, and the package directory failed. Upload again."
            ) from cause

    def _compare(self, path: str, staged: Staged) -> None:
        try:
            sha256 = self._packages.details.get(path).sha256
        except FileNotFoundError:
            if os.path.lexists(self._root / path):
                raise self._taken(staged.name, "as something that is not a file, and is not served") from None
            raise
        if sha256 != staged.sha256:
            raise self._taken(staged.name, "with other content")

    def _taken(self, name: str, how: str) -> Refusal:
        return Refusal(
            self._taken_status,
            f"File already exists: {name} is stored {how}. Released files are immutable: upload under a new version.",
        )


def storage_refusal(error: OSError) -> Refusal:
    """For a failure before anything became visible."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal(507, "Nothing was stored: the package directory is full.")
    return Refusal(503, f"Nothing was stored: the package directory failed: {error.strerror}. Upload again.")


def _unsettled(name: str, error: OSError) -> Refusal:
    """For a failure after `name` became visible, when a crash of the file server could still undo it."""
    log.error("%s may be stored: %s", name, error)
    return Refusal(
        503,
        f"{name} may be public, but may not survive a crash: the package directory failed: {error.strerror}. "
        "Upload the same file again.",
    )
