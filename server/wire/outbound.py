"""Requests to the upstream index and its file hosts: only to what is allowed, and limited in time and size."""

from __future__ import annotations

import io
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

CONNECT_SECONDS = 5.0
# How long the upstream may be silent.
SILENCE_SECONDS = 15.0
REDIRECTS_LIMIT = 3
READ_BYTES = 1 << 18

_PRINTABLE = re.compile(r"[!-~]{1,2000}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_PORTS = {"https": 443, "http": 80}
# AWS services of the instance, including its credentials. Their IPv4 addresses are link-local.
_INSTANCE_NETWORK = ip_network("fd00:ec2::/32")
# RFC 6052: IPv4 addresses as seen by hosts without IPv4.
_NAT64 = IPv6Network("64:ff9b::/96")


class Unreachable(Exception):
    """The upstream gives no usable answer; the message says why."""


class Denied(Unreachable):
    """Asking again would not help: it does not exist there, or not for us."""


class Untrue(Unreachable):
    """What was sent is not what was promised."""


# Of the answers that blame the client, those that say nothing about what was requested:
# https://www.iana.org/assignments/http-status-codes/http-status-codes.xhtml
_PASSING = (407, 408, 421, 425, 429)


def permitted(address: str, *, chosen: bool) -> bool:
    """Whether connecting to `address` is allowed. If `chosen`, the operator named the host, which may be in the VPC."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip)
    if (
        ip.is_loopback
        or ip.is_link_local
        or ip.is_multicast
        or ip.is_unspecified
        or ip.is_reserved
        or ip in _INSTANCE_NETWORK
    ):
        return False
    return chosen or ip.is_global


class Reply:
    """An answer whose body is still to be read."""

    def __init__(self, url: str, response: HTTPResponse) -> None:
        self.url = url
        self.status = response.status
        self.headers = response.headers
        self._response = response

    def failure(self, why: str) -> Unreachable:
        """For an answer that cannot be used; `why` says what is wrong with it."""
        is_denied = 400 <= self.status < 500 and self.status not in _PASSING
        return (Denied if is_denied else Unreachable)(f"{self.url} answers with {why}")

    def chunks(self, limit: int) -> Iterator[bytes]:
        """The body as it was sent. Raises Unreachable, also if it is longer than `limit` bytes or cut short."""
        total = 0
        while chunk := self._read():
            total += len(chunk)
            if total > limit:
                raise Unreachable(f"{self.url} is longer than {limit} bytes")
            yield chunk
        if self._response.length:
            raise Unreachable(f"{self.url} was cut short")

    def _read(self) -> bytes:
        try:
            return self._response.read(READ_BYTES)
        except (OSError, HTTPException, ValueError) as error:
            raise _unreadable(self.url, error) from error


class Outbound:
    def __init__(self, url: str, file_hosts: Iterable[str]) -> None:
        """`url` is the operator's; files may come from its host and from `file_hosts`. Raises ValueError."""
        parts = urlsplit(url)
        self._hosts = frozenset(file_hosts)
        if parts.scheme not in _PORTS or not _PRINTABLE.fullmatch(url) or not parts.hostname:
            raise ValueError("it must be an http(s) URL")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("it must have no credentials, query or fragment")
        self._chosen = parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
        for host in (parts.hostname, *self._hosts):
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is not the name of a host")

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def split(self, url: str) -> SplitResult | None:
        """The parts of an allowed URL: at the operator's own origin, or https at a file host."""
        try:
            parts = urlsplit(url)
            origin = parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            return None
        files = origin[1] in self._hosts and origin[::2] == ("https", 443)
        return (
            parts
            if (files or origin == self._chosen) and "@" not in parts.netloc and _PRINTABLE.fullmatch(url)
            else None
        )

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], seconds: float) -> Iterator[Reply]:
        """The answer of `url`, or of a redirect from there; all of it within `seconds`. Raises Unreachable."""
        deadline = time.monotonic() + seconds
        with ExitStack() as stack:
            try:
                reply = self._follow(stack, url, headers, deadline)
            except (OSError, HTTPException, ValueError) as error:
                raise _unreadable(url, error) from error
            yield reply

    def _follow(self, stack: ExitStack, url: str, headers: Mapping[str, str], deadline: float) -> Reply:
        """The last connection stays open until `stack` ends. Raises Unreachable, OSError, HTTPException, ValueError."""
        for _ in range(REDIRECTS_LIMIT + 1):
            parts = self.split(url)
            if parts is None:
                raise Unreachable(f"{url[:200]!a} is at no host of UpstreamUrl or UpstreamFileHosts")
            connection = stack.enter_context(self._connect(parts, deadline))
            response = ask(connection, parts, headers, deadline)
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or location is None:
                return Reply(url, response)
            stack.close()
            url = urljoin(url, location)
        raise Unreachable(f"{url[:200]} redirects too often")

    def _connect(self, parts: SplitResult, deadline: float) -> socket.socket:
        """Raises OSError, and Unreachable if no address is allowed."""
        host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
        chosen = (parts.scheme, host, port) == self._chosen
        failure: Exception = Unreachable(f"{host} has no address that connections are allowed to")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            # Connects to the address that was checked: the name may have another one a moment later.
            if not permitted(str(address[0]), chosen=chosen):
                continue
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(max(0.001, min(CONNECT_SECONDS, deadline - time.monotonic())))
                connection.connect(address)
                if parts.scheme == "https":
                    connection = self._context.wrap_socket(connection, server_hostname=host)
            except OSError as error:
                connection.close()
                failure = error
            else:
                return connection
        raise failure


def _unreadable(url: str, error: Exception) -> Unreachable:
    return Unreachable(f"{url[:200]} cannot be read: {error or type(error).__name__}")


class _Incoming(io.RawIOBase):
    """What a connection delivers before a deadline, however slowly it trickles."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("it takes too long")
        self._connection.settimeout(min(left, SILENCE_SECONDS))
        return self._connection.recv_into(buffer)

    def readall(self) -> bytes:
        # http.client takes a chunk of -1 bytes for everything to come.
        raise ValueError("a chunk has no size")

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, READ_BYTES)


def ask(
    connection: socket.socket,
    parts: SplitResult,
    headers: Mapping[str, str],
    deadline: float,
    method: str = "GET",
    body: bytes = b"",
) -> HTTPResponse:
    """Raises OSError and HTTPException."""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if body:
        headers = {**headers, "Content-Length": str(len(body))}
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "User-Agent: pypiserver-upstream",
        "Accept-Encoding: identity",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
        "\r\n",
    ]
    connection.sendall("\r\n".join(lines).encode("ascii") + body)
    response = HTTPResponse(_Incoming(connection, deadline), method=method)  # type: ignore[arg-type]  # asked for makefile
    response.begin()
    return response
