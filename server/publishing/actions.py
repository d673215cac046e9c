"""What a form posted to `/` requests, by its `:action`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from packaging.utils import canonicalize_name, canonicalize_version

from server.accounts.grants import Grant
from server.distributions.listed import normalized_version, package_at
from server.distributions.releases import released
from server.distributions.tarballs import Unfit
from server.publishing.checks import check_agreement, check_content, check_digests, uploaded_at
from server.publishing.forms import FIELD_LIMIT_BYTES, Form
from server.publishing.publication import Publication, storage_refusal
from server.store.packages import Packages
from server.store.statuses import ACTIVE, STATES, Status
from server.views.records import write_change
from server.wire.messages import Environ, Refusal, Response, whole

_DONE = whole(200, "text/html; charset=UTF-8", b"")


class Actions:
    def __init__(
        self, packages: Packages, *, immutable: bool, open_days: int, claim: Callable[[str], None] | None = None
    ) -> None:
        """A release accepts files for `open_days` after its first, always with 0. `claim` raises Refusal or OSError unless a
        file of the project may be published here.
        """
        self._packages = packages
        self._claim = claim
        self._immutable = immutable
        self._open_days = open_days

    def answer(self, form: Form, environ: Environ, account: Grant) -> Response:
        """Do what the form, which has arrived, requests. `account` may upload. Raises Refusal, and OSError."""
        action = form.fields.get(":action")
        if action == "file_upload":
            self._upload(form, environ, account)
            return _DONE
        account.require_account()
        if action == "yank":
            self._yank(action, form.fields, environ, form.fields.get("reason", ""))
        elif action == "unyank":
            self._yank(action, form.fields, environ, None)
        elif action == "status":
            self._change_status(form.fields, environ)
        elif action == "remove_pkg":
            self._remove(form.fields, environ)
        elif action is None:
            raise Refusal(400, "The form has no field :action.")
        # Old tools send this before an upload; pypiserver ignores it.
        elif action not in ("verify", "submit"):
            raise Refusal(400, f"Unsupported :action: {action}.")
        return _DONE

    def _upload(self, form: Form, environ: Environ, account: Grant) -> None:
        content, signature = form.content, form.files.get("gpg_signature")
        if content is None:
            raise Refusal(400, "Nothing was stored: the form has no file (content).")
        if content.name.endswith(".asc"):
            raise Refusal(400, f"Nothing was stored: {content.name} is a signature: upload it together with its file.")
        if signature is not None and signature.name != f"{content.name}.asc":
            raise Refusal(400, f"Nothing was stored: {signature.name} is not a signature of {content.name}.")
        files = [content] if signature is None else [content, signature]
        for staged in files:
            if not staged.size:
                raise Refusal(400, f"Nothing was stored: {staged.name} is empty.")
        check_digests(form.fields, content)
        content.uploaded = uploaded_at(form.fields)
        if content.uploaded is not None:
            account.require_account()
        file = released(content.name)
        account.require({file.project})
        self._require_open(file.project)
        # Like PyPI, whose answer twine understands; other clients expect a conflict.
        taken_status = 400 if "twine" in environ.get("HTTP_USER_AGENT", "") else 409
        publication = Publication(self._packages, immutable=self._immutable, taken_status=taken_status)
        try:
            check_agreement("the form", form.fields.get("name"), form.fields.get("version"), file)
            # A stored file may be older than these checks, so uploading it again succeeds without them.
            if publication.stored(content, file) is None:
                check_content(content, file, account.name)
                # Whoever imports packages from another index says when they were uploaded there.
                if content.uploaded is None and self._open_days:
                    publication.require_open(content, file, self._open_days)
            if self._claim:
                self._claim(file.project)
        except Unfit as error:
            raise Refusal(400, f"Nothing was stored: {content.name} was refused: {error}.") from error
        except OSError as error:
            raise storage_refusal(error) from error
        publication.publish(content, signature, file)
        for staged in files:
            lost = "attestations were sent, and are not kept" if form.attested and staged is content else None
            write_change(environ, "upload", staged.name, staged.sha256, staged.size, lost)

    def _yank(self, action: str, fields: dict[str, str], environ: Environ, reason: str | None) -> None:
        project, version = canonicalize_name(fields.get("name", "")), fields.get("version", "")
        if reason is not None:
            _require_reason(reason)
        index = self._packages.index
        index.refresh()
        wanted = canonicalize_version(version)
        found = map(package_at, index.paths(project))
        package = next((it for it in found if canonicalize_version(it.version) == wanted), None)
        # Old files may have no version, or only dots, which cannot be the name of a link.
        if package is None or not wanted.strip("."):
            raise self._unknown(project, version)
        self._packages.yank(package, reason)
        write_change(environ, action, f"{project}=={package.version}", None, None, reason)

    def _require_open(self, project: str) -> None:
        """Raises Refusal if the project accepts no files."""
        status = self._packages.yanks.status(project)
        if status.is_closed:
            raise Refusal(403, f"Nothing was stored: {project} takes no files, as it is {status}.")

    def _change_status(self, fields: dict[str, str], environ: Environ) -> None:
        project, status = (
            canonicalize_name(fields.get("name", "")),
            Status(fields.get("status", ""), fields.get("reason", "")),
        )
        _require_reason(status.reason)
        if status.state not in STATES:
            raise Refusal(400, f"Nothing was changed: a status is one of {', '.join(STATES)}.")
        if status.state == ACTIVE and status.reason:
            raise Refusal(400, "Nothing was changed: an active project has no reason.")
        index = self._packages.index
        index.refresh()
        paths = index.paths(project)
        if not paths:
            index.require_complete()
            raise Refusal(404, f"Nothing was changed: there is no {project} here.")
        self._packages.change_status(project, paths[0], status)
        write_change(environ, "status", project, None, None, str(status))

    def _remove(self, fields: dict[str, str], environ: Environ) -> None:
        """Permanently remove all files of a release, including signatures."""
        if self._immutable:
            raise Refusal(403, "Released files are immutable: removal is off (IMMUTABLE_PACKAGES=true).")
        project, version = canonicalize_name(fields.get("name", "")), fields.get("version", "")
        if not project or not version:
            raise Refusal(400, "A removal needs the fields name and version.")
        index = self._packages.index
        index.refresh()
        wanted = normalized_version(version)
        removed = []
        for package in map(package_at, index.paths(project)):
            if package.version != wanted:
                continue
            sha256 = size = None
            # What cannot be read can still be removed.
            with suppress(OSError):
                details = self._packages.details.get(package.path)
                sha256, size = details.sha256, details.identity.size
            with suppress(FileNotFoundError):
                self._packages.remove(package.path)
                removed.append(package.path)
                write_change(environ, "removal", package.path, sha256, size)
        if not removed:
            raise self._unknown(project, version)
        try:
            self._packages.settle_removals(removed)
        except OSError as error:
            text = f"{project} {version} is removed, but a crash may bring it back: the package directory failed: "
            raise Refusal(503, f"{text}{error.strerror}.") from error

    def _unknown(self, project: str, version: str) -> Refusal:
        self._packages.index.require_complete()
        return Refusal(404, f"Nothing was changed: there is no {project} {version} here.")


def _require_reason(reason: str) -> None:
    """Raises Refusal for a reason that no link can hold."""
    if len(reason.encode()) > FIELD_LIMIT_BYTES or "\0" in reason:
        raise Refusal(400, f"The reason is longer than {FIELD_LIMIT_BYTES} bytes, or has a null character.")
