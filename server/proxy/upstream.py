"""Projects that are not here: pages and files of an upstream index, as far as the policy shows them."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from server.distributions.names import Patterns, is_name
from server.proxy.cached import Files
from server.proxy.policy import Policy
from server.proxy.remote import (
    FILE_BYTES,
    PAGE_BYTES,
    Answered,
    BadPage,
    KeptPages,
    Page,
    RemoteFile,
    listing_of,
    read_page,
)
from server.proxy.sides import Sides
from server.store.index import Index
from server.store.statuses import UNSAID
from server.views.days import SETTLED_SECONDS, Day
from server.views.downloads import send
from server.views.listings import Listing, send_listing
from server.views.turns import in_turn
from server.wire.calls import Calls
from server.wire.messages import Environ, Later, Outcome, Refusal, Response, absent
from server.wire.outbound import Denied, Outbound, Unreachable, Untrue

log = logging.getLogger("gunicorn.error")

# A page is requested again after this; sooner if there is none, or after a failure.
CURRENT_SECONDS = 300.0
ABSENT_SECONDS = 60.0
RETRY_SECONDS = 30.0
# A file that a page lacks may be on a newer one that another process knows: the kept page is read at most this often for it.
REREAD_SECONDS = 1.0
# While the upstream fails, its last answer is believed this long.
STALE_SECONDS = 7 * 86400.0
PAGE_SECONDS = 30.0
# Clients are told to come back before they, or a load balancer, lose patience.
PATIENCE_SECONDS = 10.0
# What upstream did not provide is not requested again for this long.
FAILED_SECONDS = 10.0
PAGE_THREADS = 8
FILE_THREADS = 8
METADATA_BYTES = 4 << 20
# Bounds memory: of pages as they were sent, which take about three times as much.
PAGES_BYTES = 16 << 20
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
KEEP_SECONDS = 10.0
EVICT_SECONDS = 3600.0


class Known:
    """One project's page; `files` is None if upstream has no such project. Times are monotonic."""

    def __init__(self, page: Page | None, content: bytes) -> None:
        self.files = page and page.files
        self.status = page.status if page else UNSAID
        self.digest = hashlib.sha256(content).digest()
        self.size = len(content) + 1000
        self.learned = self.current_until = self.believed_until = -math.inf
        self.listing: Listing | None = None
        # Seconds since 1970: from then on the policy shows other files.
        self.changes_at = math.inf

    def withdraw_metadata(self, file: RemoteFile) -> None:
        """Installers that are promised metadata request nothing else; without the promise they read the wheel."""
        if self.files is not None:
            self.files[file.name] = file._replace(metadata_sha256=None)
            self.listing = None


@dataclass(frozen=True, kw_only=True)
class UpstreamSettings:
    """The index that has what is not here."""

    url: str
    outbound: Outbound
    private_names: Patterns
    policy: Policy
    cache_bytes: int


class Upstream:
    """Methods raise Refusal, and OSError if the package directory fails."""

    def __init__(self, settings: UpstreamSettings, index: Index) -> None:
        self._url = settings.url.rstrip("/")
        self._policy: Policy = settings.policy
        self._outbound: Outbound = settings.outbound
        self._index = index
        self.sides = Sides(index, settings.private_names)
        self._files = Files(index.root, self._outbound, settings.cache_bytes)
        self._pages = KeptPages(index.root)
        self._known: dict[str, Known] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self._parsing = threading.Lock()
        self._page_calls = Calls(PAGE_THREADS, FAILED_SECONDS)
        self._file_calls = Calls(FILE_THREADS, FAILED_SECONDS)
        threading.Thread(target=self._keep_up, daemon=True).start()

    def project(self, name: str, environ: Environ) -> Outcome:
        """A page of a project that has no file here."""
        return self._with_page(name, partial(self._listed, name, environ))

    def project_at(self, name: str, day: Day, environ: Environ) -> Outcome:
        """As `project`, with only the files that were uploaded by the end of the day, as far as they say."""
        return self._with_page(
            name, lambda known: in_turn(environ, partial(self._listed_at, name, day, environ, known))
        )

    def file(self, path: str, environ: Environ) -> Outcome:
        """`path` is the project and the file's name."""
        project, _, name = path.partition("/")
        return self._with_page(project, partial(self._file, project, name, environ), name.removesuffix(".metadata"))

    def _with_page(self, project: str, answer: Callable[[Known], Outcome], file: str = "") -> Outcome:
        """What `answer` makes of the page, once it is known: of the newest that a process here knows, if it is about a `file`."""
        self._require_outside(project)
        known = self._known.get(project)
        if known is not None and time.monotonic() < known.current_until:
            is_listed = not file or file in (known.files or ())
            if is_listed or time.monotonic() < known.learned + REREAD_SECONDS:
                return answer(known)
        ready = self._page_calls.wait(project, partial(self._refresh, project), PATIENCE_SECONDS)

        def finish() -> Outcome:
            # A file of the project may have been uploaded meanwhile.
            self._require_outside(project)
            known = self._known.get(project)
            if known is None or time.monotonic() > known.believed_until:
                raise _unavailable(project, ready)
            return answer(known)

        return Later(ready, finish)

    def _require_outside(self, project: str) -> None:
        if not is_name(project) or self.sides.is_private(project):
            raise absent(project)

    def _listed(self, name: str, environ: Environ, known: Known) -> Response:
        if known.files is None:
            raise absent(name)
        now = time.time()
        if known.listing is None or now >= known.changes_at:
            times = {file: self._policy.shown_from(file.candidate) for file in known.files.values()}
            known.changes_at = min((at for at in times.values() if at > now), default=math.inf)
            shown = sorted(
                (file for file, at in times.items() if at <= now), key=lambda file: (file.candidate.version, file.name)
            )
            known.listing = listing_of(name, shown, known.status)
        return send_listing(known.listing, environ)

    def _listed_at(self, name: str, day: Day, environ: Environ, known: Known) -> Response:
        now, shown = time.time(), []
        # What is kept while the upstream fails may be from before the day's end.
        age = time.monotonic() - (known.believed_until - STALE_SECONDS)
        final = now - age >= day.ends + SETTLED_SECONDS
        for file in (known.files or {}).values():
            if file.candidate.uploaded is not None and file.candidate.uploaded < day.ends:
                shown_from = self._policy.shown_from(file.candidate)
                final = final and not now < shown_from < math.inf
                if shown_from <= now:
                    shown.append(file)
        if not shown:
            raise absent(name)
        shown.sort(key=lambda file: (file.candidate.version, file.name))
        return day.sent(send_listing(listing_of(name, shown, known.status), environ), final=final)

    def _file(self, project: str, name: str, environ: Environ, known: Known) -> Outcome:
        wheel = name.removesuffix(".metadata")
        file = (known.files or {}).get(wheel)
        if file is None:
            raise absent(name)
        if self._policy.shown_from(file.candidate) > time.time():
            raise Refusal(403, f"{wheel} is younger than MinReleaseAgeDays, or one of BlockedFiles.")
        size: int | None
        sha256, url, size, limit = file.candidate.sha256, file.url, file.size, FILE_BYTES
        if wheel != name:
            if file.metadata_sha256 is None:
                raise absent(name)
            sha256, url, size, limit = file.metadata_sha256, f"{file.url}.metadata", None, METADATA_BYTES
        # Not the file's mtime: that changes when it is used, and it may be fetched again.
        etag = f'"{sha256}"'
        opened = self._files.open(sha256)
        if opened is not None:
            return send(opened, name, environ, etag)
        check = partial(self._require_outside, project)
        fetch = partial(self._files.fetch, sha256, url, size, limit, check)
        ready = self._file_calls.wait(sha256, fetch, PATIENCE_SECONDS)

        def finish() -> Response:
            check()
            fetched = self._files.open(sha256)
            if fetched is None:
                error = ready.exception()
                if wheel != name and isinstance(error, (Denied, Untrue)):
                    known.withdraw_metadata(file)
                raise absent(name) if isinstance(error, Denied) else _unavailable(name, ready)
            return send(fetched, name, environ, etag)

        return Later(ready, finish)

    def _refresh(self, project: str) -> None:
        """Learn the page as it is now, or keep believing what is known. Raises Unreachable."""
        # It may have waited long for a thread.
        self._require_outside(project)
        url = f"{self._url}/{project}/"
        kept, age = self._pages.load(project) or (None, math.inf)
        if kept is None or kept.url != url:
            kept, age = None, math.inf
        current, known = CURRENT_SECONDS - age, None
        if current <= 0:
            try:
                answered = self._ask(url, kept)
                known = self._read(project, answered)
                self._pages.keep(project, kept, answered)
                kept, age = answered, 0.0
                current = CURRENT_SECONDS if answered else ABSENT_SECONDS
            except Unreachable as error:
                if kept is not None and age <= STALE_SECONDS:
                    log.warning("The page of %s is %d minutes old: %s.", project, age / 60, error)
                    current = RETRY_SECONDS
                elif isinstance(error, Denied):
                    log.warning("There is no page of %s: %s.", project, error)
                    kept, current = None, ABSENT_SECONDS
                else:
                    raise
        known = known or self._read(project, kept)
        # Whatever was uploaded since this started is private.
        if kept is None or self.sides.claim_outside(project):
            now = known.learned = time.monotonic()
            known.current_until = now + current
            known.believed_until = now + (STALE_SECONDS - age if kept else current)
            self._remember(project, known)

    def _ask(self, url: str, kept: Answered | None) -> Answered | None:
        """`kept` if that is still current, None if there is no such project. Raises Unreachable."""
        headers = {"Accept": JSON_TYPE}
        if kept and kept.etag:
            headers["If-None-Match"] = kept.etag
        with self._outbound.get(url, headers, PAGE_SECONDS) as reply:
            if reply.status == 304 and kept is not None:
                return kept
            if reply.status in (404, 410):
                return None
            content_type = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if reply.status != 200 or content_type != JSON_TYPE:
                raise reply.failure(f"status {reply.status} and {content_type!a}")
            etag = reply.headers.get("ETag", "")
            # It is sent back in a header.
            etag = etag if etag.isascii() and etag.isprintable() else ""
            return Answered(url, reply.url, etag, b"".join(reply.chunks(PAGE_BYTES)))

    def _read(self, project: str, answered: Answered | None) -> Known:
        """Raises Unreachable."""
        if answered is None:
            return Known(None, b"")
        known = self._known.get(project)
        # The same page from elsewhere links to other files.
        content = answered.base.encode() + answered.content
        if known is not None and known.digest == hashlib.sha256(content).digest():
            return known
        try:
            # One at a time: it takes many times the page's memory.
            with self._parsing:
                return Known(read_page(answered.content, project, answered.base, self._outbound.split), content)
        except BadPage as error:
            raise Unreachable(f"{answered.base}: {error}") from error

    def _remember(self, project: str, known: Known) -> None:
        with self._lock:
            previous = self._known.pop(project, None)
            self._known[project] = known
            self._bytes += known.size - (previous.size if previous else 0)
            while self._bytes > PAGES_BYTES and len(self._known) > 1:
                self._bytes -= self._known.pop(next(iter(self._known))).size

    def _keep_up(self) -> None:
        evicted = -math.inf
        while True:
            time.sleep(KEEP_SECONDS)
            try:
                if self._index.ready:
                    self.sides.take_in()
                    self.sides.keep()
                if time.monotonic() - evicted > EVICT_SECONDS:
                    evicted = time.monotonic()
                    self._files.evict()
            except Exception:
                log.exception("The cache of upstream's files could not be cleaned.")


def _unavailable(name: str, ready: Future[None]) -> Refusal:
    return Refusal(503, f"{name} cannot be fetched from upstream now: {ready.exception()}.", ("Retry-After", "5"))
