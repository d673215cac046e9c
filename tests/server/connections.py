"""Requests byte by byte, and what is answered to them."""

from __future__ import annotations

import socket
import time
from http.client import HTTPResponse
from typing import NamedTuple

from .tasks import PUBLISHER, READER, Task, basic

MULTIPART = "multipart/form-data; boundary=B"


class Answer(NamedTuple):
    status: int
    phrase: str
    headers: dict[str, str]
    body: bytes


def ask(task: Task, head: bytes, body: bytes = b"") -> Answer:
    """What is answered to these bytes; status 0 if the connection is closed without an answer."""
    connection = task.connect()
    connection.sendall(head + body)
    response = HTTPResponse(connection, method=head.split(b" ", 1)[0].decode("latin-1"))
    try:
        response.begin()
        content = response.read()
        return Answer(response.status, response.reason, {k.lower(): v for k, v in response.getheaders()}, content)
    except (ConnectionError, ValueError, AssertionError):
        return Answer(0, "", {}, b"")
    finally:
        response.close()
        connection.close()


def head(line: str, account: tuple[str, str] | None = None, *headers: str) -> bytes:
    fields = ["Host: index", *headers]
    if account:
        fields.append(f"Authorization: {basic(account)}")
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


WRONG = (PUBLISHER[0], "wrong")


def everything(connection: socket.socket) -> bytes:
    """What arrives until the server closes."""
    received = b""
    try:
        while data := connection.recv(1 << 16):
            received += data
    except ConnectionResetError:
        pass
    return received


SMUGGLED = b"GET /simple/ HTTP/1.1\r\nHost: index\r\nAuthorization: %s\r\n\r\n" % basic(READER).encode()


# The fields of a request that is followed by another, and the status of the one answer.
AMBIGUOUS = {
    b"Content-Length: 0\r\nContent-Length: %d" % len(SMUGGLED): 400,
    b"Content-Length: %d\r\nContent-Length: %d" % (len(SMUGGLED), len(SMUGGLED)): 400,
    b"Content-Length: %d, %d" % (len(SMUGGLED), len(SMUGGLED)): 400,
    b"Content-Length: +%d" % len(SMUGGLED): 400,
    b"Content-Length: -1": 400,
    b"Content-Length: 0x10": 400,
    b"Content-Length: 1_0": 400,
    b"Content-Length: 1e1": 400,
    b"Content-Length: \xb2": 400,
    b"Content-Length: 99999999999999999999": 400,
    b"Content-Length:": 400,
    b"Content_Length: %d" % len(SMUGGLED): 400,
    b"Content-Length : 5": 400,
    b"Content-Length\t: 5": 400,
    b"Content-Length: 5\r\nTransfer-Encoding: chunked": 400,
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked": 400,
    b"Transfer-Encoding: identity": 501,
    b"Transfer-Encoding: gzip, chunked": 501,
    b"Transfer-Encoding: chunked, identity": 501,
    b"Transfer-Encoding: xchunked": 501,
    b"Transfer-Encoding: \x0bchunked": 400,
    b'Transfer-Encoding: "chunked"': 501,
    b"Transfer-Encoding:": 501,
    b"Transfer_Encoding: chunked": 400,
    b" Transfer-Encoding: chunked": 400,
    b"X: y\r\n Transfer-Encoding: chunked": 400,
    b"X: y\nTransfer-Encoding: chunked": 400,
    b"X: y\rTransfer-Encoding: chunked": 400,
    b"X: y\x00z": 400,
    b"X\x00: y": 400,
    b"X": 400,
    b": y": 400,
    b"\xc3\xa9: y": 400,
    b"Host: other": 400,
    b"Script_Name: /x": 400,
    b"SCRIPT_NAME: /x": 400,
    b"Script-Name: /x": 400,
    b"Path_Info: /x": 400,
    b"Authorization: a\r\nAuthorization: b": 400,
    b"Expect: 200-maybe": 417,
    b"X: " + b"y" * 20_000: 431,
    b"\r\n".join(b"X-%d: y" % n for n in range(200)): 431,
}


def cut_off(connection: socket.socket, piece: bytes, times: int, pause: float = 0.0) -> bool:
    """Whether the server closes before all is sent."""
    try:
        for _ in range(times):
            connection.sendall(piece)
            time.sleep(pause)
    except OSError:
        return True
    return False
