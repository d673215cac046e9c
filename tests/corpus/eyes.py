"""What pip sees of an index: by its own reader of pages, its own downloads, and as it is configured here."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pip._internal.commands import create_command
from pip._internal.index.collector import LinkCollector, parse_links
from pip._internal.models.link import Link
from pip._internal.models.search_scope import SearchScope
from pip._internal.network.download import Downloader


class Eyes(ExitStack):
    """`registries` are the indexes that pip asks."""

    def __init__(self) -> None:
        super().__init__()
        command: Any = create_command("download")  # not every command has a session
        options, _ = command.parse_args(["--no-cache-dir", "--no-input", "--quiet"])
        self.enter_context(command.main_context())
        self._session = command.get_default_session(options)
        self._downloader = Downloader(self._session, "off")
        self.registries: list[str] = [options.index_url, *options.extra_index_urls]

    def links(self, index: str, project: str) -> dict[str, Link]:
        """The files of a project's page, by name; none where the index has no such page."""
        collector = LinkCollector(self._session, SearchScope([], [index], False))
        page = collector.fetch_response(Link(f"{index.rstrip('/')}/{project}/", cache_link_parsing=False))
        return {} if page is None else {link.filename: link for link in parse_links(page)}

    def download(self, link: Link, directory: Path) -> Path:
        """The file, in `directory`. Raises pip's HashMismatch where it is not what its page says."""
        path = self._downloader(link, str(directory))[0]
        link.as_hashes().check_against_path(path)
        return Path(path)
