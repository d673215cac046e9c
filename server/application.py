"""The application: which request gets what, and who may make it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from functools import lru_cache
from threading import Thread
from typing import TypeVar
from urllib.parse import quote

from server.accounts.access import Access
from server.accounts.grants import Grant
from server.contract import HEALTH_PATH
from server.distributions.listed import parsed, project_of
from server.distributions.names import normalized
from server.proxy.sides import UPSTREAM
from server.proxy.upstream import Upstream
from server.publishing.actions import Actions
from server.publishing.forms import Form
from server.publishing.trusted import TrustedPublishing
from server.settings import Settings
from server.store.packages import Packages
from server.store.spent import Spent
from server.store.upkeep import keep_up
from server.views.all_files import AllFiles
from server.views.days import Day, Days, day_of
from server.views.downloads import download, metadata
from server.views.health import Health
from server.views.listings import Listings
from server.views.pages import WELCOME, Pages
from server.views.project_json import ProjectJson
from server.views.records import write_change
from server.views.root import Root
from server.views.shell import asked_by_people, for_people
from server.views.summaries import Summaries
from server.wire.body import MalformedBody, StalledBody
from server.wire.calls import TakesLong
from server.wire.messages import (
    REVALIDATED,
    Awaited,
    Environ,
    Later,
    Outcome,
    Refusal,
    Response,
    Work,
    absent,
    origin_of,
    plain,
    redirect,
    unauthorized,
    whole,
)

log = logging.getLogger("gunicorn.error")

Answered = TypeVar("Answered")
# First segments of paths, which are not projects if another segment follows; so is `at` if two do.
ROOMS = ("simple", "packages", "project", "pypi")
_normalized = lru_cache(maxsize=256)(normalized)


class Application:
    """Created once per worker process."""

    def __init__(self, settings: Settings) -> None:
        self.access = Access(settings.accounts)
        self._immutable = settings.immutable
        self._fallback_url = settings.fallback_url.rstrip("/")
        packages = Packages(settings.packages_directory)
        self._packages = packages
        self._index = packages.index
        self._listings = Listings(packages)
        self._root = Root(packages)
        self._days = Days(packages.index, self._listings, self._root)
        self._json = ProjectJson(packages.index, self._listings)
        self._all_files = AllFiles(packages)
        summaries = Summaries(packages)
        self._pages = Pages(packages, self._listings, summaries)
        self._upstream = Upstream(settings.upstream, packages.index) if settings.upstream else None
        self._actions = Actions(
            packages,
            immutable=self._immutable,
            open_days=settings.release_open_days,
            claim=self._upstream.sides.claim_private if self._upstream else None,
        )
        self._spent = Spent(str(packages.index.root))
        # Without it nobody is trusted.
        self._trusted = TrustedPublishing(self.access, self._spent, settings.audience) if settings.audience else None
        self._health = Health(packages.index)
        Thread(target=keep_up, args=(packages,), daemon=True).start()
        Thread(target=summaries.follow, daemon=True).start()

    def admit(self, environ: Environ) -> Response | Work:
        """The answer, or the work that it takes; waits for neither the storage nor the client."""
        return self._guard(lambda: self._route(environ), environ)

    def perform(self, call: Callable[[], Outcome], environ: Environ) -> Outcome:
        """The result of a Work's `call`, or then of a Later's `finish`."""
        return self._guard(lambda: _without_waiting(call), environ)

    def _guard(self, call: Callable[[], Answered], environ: Environ) -> Answered | Response:
        answered = self._answered(call, environ)
        return for_people(answered, environ) if isinstance(answered, Response) else answered

    def _answered(self, call: Callable[[], Answered], environ: Environ) -> Answered | Response:
        try:
            return call()
        except TakesLong:
            return plain(503, "This is being read for the first time, which takes a while.\n", ("Retry-After", "5"))
        except Refusal as refusal:
            return refusal.response
        except StalledBody as error:
            return plain(408, f"Nothing was done: {error}.\n")
        except MalformedBody as error:
            return plain(400, f"Nothing was done: {error}.\n")
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                log.error("No more files can be opened: the task's limit (nofile) is too low for so many clients")
                return plain(503, "The server has too many files open.\n", ("Retry-After", "5"))
            log.error("The package directory cannot be read: %s", error)
            return plain(503, "The package directory cannot be read.\n", ("Retry-After", "5"))
        except Exception:
            log.exception("A request could not be answered: %s %r", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            return plain(500, "The server failed; its log has the reason.\n")

    def _route(self, environ: Environ) -> Response | Work:
        """Raises Refusal."""
        method = environ["REQUEST_METHOD"]
        path = environ["PATH_INFO"].encode("latin-1").decode()
        if method in ("GET", "HEAD"):
            if path == HEALTH_PATH:
                return Work("health", self._health.respond)
            if path == "/":
                return self._front(environ)
            if self._trusted and (answer := self._trusted.get(path, environ)):
                return answer
            return self._read(path, environ)
        if method == "POST" and path == "/":
            return self._post(environ)
        if method == "POST" and self._trusted and (work := self._trusted.post(path, environ)):
            return work
        if method == "POST":
            raise Refusal(405, f"Upload to {origin_of(environ)}/ and no path below it.", ("Allow", "GET, HEAD"))
        raise Refusal(405, "Method not allowed.", ("Allow", "GET, HEAD"))

    def _post(self, environ: Environ) -> Response | Work:
        """The only way to change the package directory. A refusal is logged before the client gets it."""
        form = Form(self._index.root)

        def recorded(call: Callable[[], Answered]) -> Answered | Response:
            answered = self._guard(call, environ)
            if isinstance(answered, Response) and answered.status >= 400:
                write_change(environ, "refusal", *form.facts, answered.reason.strip())
            return answered

        def admit() -> Work:
            account = self._account(environ)
            account.require_upload()
            return Work("upload", lambda: recorded(lambda: answer(account)), account.name)

        def answer(account: Grant) -> Response:
            self._require_unspent(account)
            with form:
                form.receive(environ, account)
                # Whoever is shut out while it arrives, however slowly, changes nothing.
                account = self._account(environ)
                account.require_upload()
                self._require_unspent(account)
                return self._actions.answer(form, environ, account)

        return recorded(admit)

    def _account(self, environ: Environ) -> Grant:
        account = self.access.authenticate(environ)
        if account is None:
            raise unauthorized("A user name and password are needed.")
        return account

    def _unspent(self, account: Grant, work: Work) -> Work:
        """`work`, unless the token that makes the request was burnt, at any task."""

        def call() -> Outcome:
            self._require_unspent(account)
            return work.call()

        return work._replace(call=call) if account.minted else work

    def _require_unspent(self, account: Grant) -> None:
        """Raises Refusal, and OSError."""
        if account.minted and account.minted in self._spent:
            raise unauthorized("The token was revoked.")

    def _front(self, environ: Environ) -> Response | Work:
        if not asked_by_people(environ):
            return whole(200, "text/html; charset=UTF-8", WELCOME, REVALIDATED)
        account = self._account(environ)
        account.require(())
        return self._unspent(account, Work("storage", lambda: self._pages.search(environ), account.name))

    def _read(self, path: str, environ: Environ) -> Response | Work:
        query = environ["QUERY_STRING"]
        segments = path[1:].split("/")
        if segments[-2:] == ["json", ""] and len(segments) > 2:
            # PyPI's JSON also has addresses with a slash.
            del segments[-1]
        match segments:
            case ["simple" | "packages", *_]:
                pass
            case ["favicon.ico"]:
                raise Refusal(404, "Not Found")
            case [name] | [name, ""]:
                return redirect(303, f"/simple/{quote(name)}/", query)
            case [name, version] | [name, version, ""] if name not in ROOMS and parsed(version):
                # hatch prints this address after an upload.
                return redirect(303, f"/project/{quote(_normalized(name))}/", query)
        account = self._account(environ)
        account.require(self._projects_at(segments))
        answer = self._listed(path, segments, environ)
        return self._unspent(account, answer) if isinstance(answer, Work) else answer

    def _listed(self, path: str, segments: list[str], environ: Environ) -> Response | Work:
        """What an account that may read it gets. Raises Refusal."""
        query = environ["QUERY_STRING"]
        match segments:
            case ["simple"] | ["packages"] | ["simple", _] if segments[-1]:
                return redirect(301, f"{quote(path)}/", query)
            case ["simple", ""]:
                return Work("storage", lambda: self._root.respond(environ))
            case ["simple", name, ""]:
                normalized = _normalized(name)
                if name != normalized:
                    return redirect(301, f"/simple/{quote(normalized)}/", query)
                return Work("storage", lambda: self._project(name, environ))
            case ["packages", ""]:
                return Work("storage", lambda: self._all_files.respond(environ))
            case ["packages", *_]:
                return Work("storage", lambda: self._package(path.removeprefix("/packages/"), environ))
            case ["at", _, "simple"] | ["at", _, "simple", _] if segments[-1]:
                return redirect(301, f"{quote(path)}/", query)
            case ["at", text, "simple", ""]:
                day = day_of(text)
                return Work("storage", lambda: self._days.root(day, environ))
            case ["at", text, "simple", name, ""]:
                normalized, day = _normalized(name), day_of(text)
                if name != normalized:
                    return redirect(301, f"/at/{text}/simple/{quote(normalized)}/", query)
                return Work("storage", lambda: self._project_at(name, day, environ))
            case [name, "json"] | ["pypi", name, "json"] | ["pypi", name, _, "json"]:
                normalized = _normalized(name)
                if name != normalized:
                    segments[segments.index(name)] = normalized
                    return redirect(301, f"/{quote('/'.join(segments))}", query)
                release = segments[2] if len(segments) == 4 else None
                return Work("storage", lambda: self._json.respond(name, release, environ))
            case ["project", name] | ["project", name, ""]:
                normalized = _normalized(name)
                if name != normalized or segments[-1]:
                    return redirect(301, f"/project/{quote(normalized)}/", query)
                return Work("storage", lambda: self._pages.project(name, environ))
        raise Refusal(404, "Not Found")

    def _projects_at(self, segments: list[str]) -> Iterator[str]:
        """The projects that the answer to GET is about, as `_read` understands the path; none if it may be about any."""
        match segments:
            case ["simple", name] | ["simple", name, ""] if name:
                yield _normalized(name)
            case ["at", _, "simple", *names]:
                yield from self._projects_at(["simple", *names])
            case ["packages", *directories, name]:
                if self._upstream and directories and directories[0] == UPSTREAM:
                    yield from directories[1:2]
                else:
                    yield from _projects_of(name)
            case [name, "json"] | ["pypi", name, "json"] | ["pypi", name, _, "json"] if name:
                yield _normalized(name)
            case ["project", name] | ["project", name, ""] if name:
                yield _normalized(name)

    def _project(self, name: str, environ: Environ) -> Outcome:
        if response := self._listings.project(name, environ):
            return response
        if self._upstream:
            return self._upstream.project(name, environ)
        if self._fallback_url:
            return redirect(303, f"{self._fallback_url}/{quote(name)}/")
        raise absent(name)

    def _project_at(self, name: str, day: Day, environ: Environ) -> Outcome:
        if answer := self._days.project(name, day, environ):
            return answer
        if self._upstream:
            return self._upstream.project_at(name, day, environ)
        raise absent(name)

    def _package(self, path: str, environ: Environ) -> Outcome:
        if self._upstream and path.startswith(f"{UPSTREAM}/"):
            return self._upstream.file(path.removeprefix(f"{UPSTREAM}/"), environ)
        for project in _projects_of(path.rpartition("/")[2]):
            status = self._packages.yanks.status(project)
            if not status.is_offered:
                raise Refusal(403, f"No files of {project} are offered, as it is {status}.")
        response = self._stored(path, environ)
        if response is None and "%2B" in path:
            # simple-repository-server escapes what is already escaped.
            return self._package(path.replace("%2B", "+"), environ)
        if response is None:
            # On NFS a name may be believed absent until its directory is opened.
            self._index.refresh()
            response = self._stored(path, environ)
        if response is None:
            raise absent(path)
        return response

    def _stored(self, path: str, environ: Environ) -> Response | None:
        """The file at `path`, or the metadata that it names; as `download`."""
        response = download(self._index, path, environ, immutable=self._immutable)
        if response is None and path.endswith(".whl.metadata"):
            return metadata(self._index, path[: -len(".metadata")], environ, immutable=self._immutable)
        return response


def _projects_of(name: str) -> set[str]:
    """Those of the file, or of the one whose metadata has this name, unless it is a file in its own right."""
    return {it for it in (project_of(name), project_of(name.removesuffix(".metadata"))) if it}


def _without_waiting(call: Callable[[], Outcome]) -> Outcome:
    """Raises what the call raises, and in the end the failure that it awaits."""
    try:
        return call()
    except Awaited as awaited:
        ready = awaited.ready

        def again() -> Outcome:
            ready.result()
            return call()

        return Later(ready, again)
