"""The HTTP server of one process: threads that take whichever connection has something to say.

A connection that says nothing, or takes nothing, costs no thread: it waits in an epoll set. One thread at a time has the
turn to take events from it, and passes it on before it waits for the storage, or for a body that an account may send.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import logging
import math
import resource
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from server.wire.body import Body
from server.wire.connection import TURN_BYTES, Answer, Connection, FileBody, Step
from server.wire.gate import Gate
from server.wire.messages import Handler, Later, Outcome, Refusal, Response, Work
from server.wire.request import HEAD_LIMIT_BYTES, Request, read_request
from server.wire.turn import Turn
from server.wire.unsent import Unsent

log = logging.getLogger("gunicorn.error")

# Of answers that clients have not taken; each is counted once, however many wait for it.
UNSENT_BYTES = 64 << 20
# Once the process has to stop, a client that takes nothing is waited for no longer than this.
STOPPING_SECONDS = 20.0
# Longer than the load balancer keeps an idle connection (60 s), so that it never meets a closed one.
IDLE_SECONDS = 75.0
# From a head's first byte to its last.
HEAD_SECONDS = 20.0
# What a stranger still sends after the answer.
LINGER_BYTES = 64 << 20
RECEIVE_BYTES = 1 << 16
# Each holds up to 16 KiB while it sends a head.
CONNECTIONS_LIMIT = 4096
ACCEPTS_AT_ONCE = 64
# One event, for the thread that has the turn; then none until requested again.
READABLE = select.EPOLLIN | select.EPOLLONESHOT
WRITABLE = select.EPOLLOUT | select.EPOLLONESHOT

# At most this share of all threads may do one kind of work; the rest answer what needs neither storage nor body.
# Pages that take long to make, or much memory, are made one at a time.
SHARES = {"upload": 1 / 2, "storage": 5 / 16, "health": 1 / 32, "exchange": 1 / 32, "page": 0}
# For the body of a stranger, who would hold a thread.
EXCHANGE_SECONDS = 5.0
_CLIENT_GONE = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ETIMEDOUT, errno.EBADF}

Log = Callable[[Answer], None]


class Exchange(NamedTuple):
    """A request that is being answered. Nothing that it refers to refers back: cycles wait for the collector."""

    request: Request
    body: Body
    began: float
    is_account: bool


class Engine:
    """`stall_seconds` bounds how long a client may be silent while it is sent to, or its body is awaited."""

    def __init__(self, handler: Handler, write_log: Log, *, threads: int, stall_seconds: float) -> None:
        self._handler = handler
        self._write_log = write_log
        self._threads = threads
        self._stall_seconds = stall_seconds
        self._gates = {kind: Gate[Connection](max(1, int(threads * share))) for kind, share in SHARES.items()}
        self._turn = Turn()
        self._epoll = select.epoll()
        self._listeners: dict[int, socket.socket] = {}
        self._connections: dict[int, Connection] = {}
        self._unsent = Unsent(UNSENT_BYTES)
        self._stopping = False
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        # A connection may have a file or two open.
        self._limit = min(CONNECTIONS_LIMIT, files // 2) if files > 0 else CONNECTIONS_LIMIT

    def start(self, listeners: list[socket.socket]) -> None:
        for listener in listeners:
            listener.setblocking(False)
            self._listeners[listener.fileno()] = listener
            self._epoll.register(listener, READABLE)
        for run in (self._turn.watch, *[self._run] * self._threads):
            threading.Thread(target=run, daemon=True).start()

    def sweep(self) -> None:
        """Cut off whoever is overdue, or holds too much. To be called about every second."""
        now = time.monotonic()
        hurry = max(0.0, self._stall_seconds - STOPPING_SECONDS) if self._stopping else 0.0
        for connection in list(self._connections.values()):
            if connection.awaited != WRITABLE:
                is_overdue = connection.deadline < now
            else:
                is_overdue = connection.deadline < now + hurry and not connection.drains(
                    now, self._stall_seconds - hurry
                )
            if is_overdue:
                self._cut_off(connection)
        for connection in self._unsent.excess():
            self._cut_off(connection)

    def stop(self) -> None:
        """Accept no more connections, and close each after the answer that it waits for."""
        self._stopping = True
        for listener in self._listeners.values():
            self._epoll.unregister(listener)
            listener.close()
        self._listeners.clear()
        for connection in list(self._connections.values()):
            # A client that sent another request and takes no answer is told nothing more.
            is_idle = not connection.received or connection.awaited == WRITABLE
            is_busy = connection.answer is not None or connection.further is not None
            if connection.deadline < math.inf and not is_busy and is_idle:
                self._cut_off(connection)

    @property
    def idle(self) -> bool:
        return not self._connections

    def _cut_off(self, connection: Connection) -> None:
        """The connection waits for the event that the shutdown causes; only the thread that takes it may close.

        A client that has yet to send a request's head can be told this way. An end of reading alone is no event for a connection that has to write.
        """
        connection.overdue = True
        is_asked = connection.awaited == READABLE and connection.answer is None and not connection.discards
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RD if is_asked else socket.SHUT_RDWR)

    def _run(self) -> None:
        while True:
            self._turn.take()
            for fd, _ in self._epoll.poll(maxevents=1):
                self._turn.begin()
                if listener := self._listeners.get(fd):
                    self._accept(listener)
                elif connection := self._connections.get(fd):
                    connection.deadline = math.inf
                    self._guard(connection, self._go_on)

    def _accept(self, listener: socket.socket) -> None:
        try:
            for _ in range(ACCEPTS_AT_ONCE):
                if len(self._connections) >= self._limit:
                    self._make_room()
                client, address = listener.accept()
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = Connection(client, str(address[0]))
                connection.deadline = time.monotonic() + IDLE_SECONDS
                connection.awaited = READABLE
                self._connections[connection.fd] = connection
                self._epoll.register(client, READABLE)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                log.error("No more files can be opened: the longest-waiting connections are closed")
                self._make_room(least=1)
        with contextlib.suppress(OSError, ValueError):
            self._epoll.modify(listener, READABLE)

    def _make_room(self, least: int = 0) -> None:
        """Cut off as many as are too many, those that have waited longest; connections already cut off count as room."""
        staying = [connection for connection in list(self._connections.values()) if not connection.overdue]
        count = max(least, len(staying) - self._limit + max(1, min(ACCEPTS_AT_ONCE, self._limit // 64)))
        waiting = (connection for connection in staying if connection.deadline < math.inf)
        for connection in heapq.nsmallest(count, waiting, key=lambda connection: connection.deadline):
            self._cut_off(connection)

    def _guard(self, connection: Connection, step: Step) -> None:
        """A step of a connection that the calling thread has; it ends by giving the connection away, or closing it."""
        try:
            step(connection)
        except OSError as error:
            if error.errno not in _CLIENT_GONE:
                log.error("An answer was broken off: %s", error)
            self._close(connection)
        except Exception:
            log.exception("A connection failed")
            self._close(connection)

    def _through(self, kind: str, connection: Connection, step: Step, account: str = "") -> None:
        """Take the step when its kind of work has a place for the account, in this thread or in another."""
        gate = self._gates[kind]
        if kind == "storage":
            self._turn.ask_storage()
        else:
            self._turn.pass_on()
        connection.step, connection.account = step, account
        entered = gate.enter(connection, account)
        current = connection if entered else None
        while current is not None:
            # Finish with what is done first: after the step, the connection belongs to another thread.
            step, current.step, account = current.step, Connection.close, current.account
            self._guard(current, step)
            current = gate.leave(account)

    def _await(self, connection: Connection, events: int, deadline: float) -> None:
        connection.deadline, connection.awaited = deadline, events
        self._epoll.modify(connection.fd, events)

    def _go_on(self, connection: Connection) -> None:
        if connection.overdue and connection.awaited == WRITABLE:
            self._close(connection)
        elif connection.further is not None:
            step, connection.further = connection.further, None
            step(connection)
        elif connection.answer is not None:
            if connection.answer.file is None:
                self._send(connection)
            else:
                # Reads on for as long as the storage takes; nothing announces how long.
                self._turn.pass_on()
                self._through("storage", connection, self._send)
        elif connection.discards:
            self._discard(connection)
        else:
            self._receive(connection)

    def _receive(self, connection: Connection) -> None:
        """Read on until a head is complete, and have it answered."""
        received = connection.received
        is_over = False
        if b"\r\n\r\n" not in received:
            try:
                data = connection.socket.recv(HEAD_LIMIT_BYTES)
            except BlockingIOError:
                return self._await_head(connection)
            received += data
            is_over = not data
        while received.startswith(b"\r\n"):
            # Empty lines before a request are tolerated (RFC 9112, section 2.2).
            del received[:2]
        end = received.find(b"\r\n\r\n")
        if end < 0 and is_over:
            if connection.overdue and received:
                return self._refuse(connection, Refusal(408, "The head of the request did not arrive in time."))
            return self._close(connection)
        if end > HEAD_LIMIT_BYTES or (end < 0 and len(received) > HEAD_LIMIT_BYTES):
            return self._refuse(connection, Refusal(431, f"The head of a request is at most {HEAD_LIMIT_BYTES} bytes."))
        if end < 0:
            return self._await_head(connection)
        try:
            request = read_request(received[: end + 2], connection.peer)
        except Refusal as refusal:
            return self._refuse(connection, refusal)
        del received[: end + 4]
        self._ask(connection, request)

    def _await_head(self, connection: Connection) -> None:
        if connection.head_deadline == math.inf:
            connection.head_deadline = time.monotonic() + min(HEAD_SECONDS, self._stall_seconds)
        self._await(connection, READABLE, connection.head_deadline)

    def _refuse(self, connection: Connection, refusal: Refusal) -> None:
        environ = {"REMOTE_ADDR": connection.peer}
        response = refusal.response
        if connection.received.startswith(b"HEAD "):
            response = response._replace(body=())
        connection.answer = Answer(environ, response, time.monotonic(), keeps_alive=False)
        # What follows is not a request.
        connection.discards = LINGER_BYTES
        self._send(connection)

    def _ask(self, connection: Connection, request: Request) -> None:
        began = time.monotonic()
        body = Body(connection.socket, connection.received, request, self._stall_seconds)
        environ = request.environ
        environ["wsgi.input"] = body
        environ["server.arrived"] = began
        environ["wsgi.file_wrapper"] = FileBody
        asked = self._handler.admit(environ)
        exchange = Exchange(request, body, began, isinstance(asked, Work))
        if isinstance(asked, Work):
            if asked.kind == "exchange":
                body.hasten(EXCHANGE_SECONDS)
            self._work(exchange, asked, connection)
        else:
            self._respond(exchange, asked, connection)

    def _work(self, exchange: Exchange, work: Work, connection: Connection) -> None:
        self._through(work.kind, connection, partial(self._perform, exchange, work.call), work.account)

    def _perform(self, exchange: Exchange, call: Callable[[], Outcome], connection: Connection) -> None:
        answered = self._handler.perform(call, exchange.request.environ)
        self._turn.storage_answered()
        if isinstance(answered, Later):
            step = partial(self._perform, exchange, answered.finish)
            answered.ready.add_done_callback(lambda _: self._through("storage", connection, step))
        elif isinstance(answered, Work):
            connection.further = partial(self._work, exchange, answered)
            # By any thread: this one still has the place.
            self._await(connection, WRITABLE, time.monotonic() + self._stall_seconds)
        else:
            self._respond(exchange, answered, connection)

    def _respond(self, exchange: Exchange, response: Response, connection: Connection) -> None:
        request, body, began, is_account = exchange
        if not body.complete:
            connection.discards = LINGER_BYTES
            if is_account:
                # An account's client sends a large file to its end before it reads that the file exists.
                connection.discards, connection.lingers = sys.maxsize, self._stall_seconds
        keeps_alive = request.keeps_alive and body.complete and not self._stopping
        connection.answer = Answer(request.environ, response, began, keeps_alive=keeps_alive)
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        answer = connection.answer
        assert answer is not None
        if not answer.send(connection.socket):
            if answer.held:
                self._unsent.hold(connection, answer.held)
            connection.watch_draining()
            return self._await(connection, WRITABLE, time.monotonic() + self._stall_seconds)
        answer.close()
        self._unsent.forget(connection)
        connection.answer = None
        connection.head_deadline = math.inf
        self._write_log(answer)
        if connection.discards:
            connection.socket.shutdown(socket.SHUT_WR)
            connection.head_deadline = time.monotonic() + connection.lingers
            self._discard(connection)
        elif self._stopping or not answer.keeps_alive:
            self._close(connection)
        elif connection.received:
            # The next request is arriving, or is already here: its turn comes as soon as the client listens.
            self._await(connection, WRITABLE, time.monotonic() + IDLE_SECONDS)
        else:
            self._await(connection, READABLE, time.monotonic() + IDLE_SECONDS)

    def _discard(self, connection: Connection) -> None:
        turn = connection.discards - TURN_BYTES
        with contextlib.suppress(BlockingIOError):
            while connection.discards > max(0, turn):
                data = connection.socket.recv(RECEIVE_BYTES)
                if not data:
                    return self._close(connection)
                connection.discards -= len(data)
        # A client that sends without a pause is never found waiting.
        if connection.discards <= 0 or time.monotonic() > connection.head_deadline:
            return self._close(connection)
        self._await(connection, READABLE, connection.head_deadline)

    def _close(self, connection: Connection) -> None:
        if connection.answer is not None:
            self._write_log(connection.answer)
        self._unsent.forget(connection)
        self._connections.pop(connection.fd, None)
        connection.close()
