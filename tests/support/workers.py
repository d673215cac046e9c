"""A plugin of pytest: with ``--workers 4``, so many processes share the tests out, forked when all are collected.

Workers that import and collect each for itself, as those of pytest-xdist do, take a tenth of the time of all tests for it.
"""

from __future__ import annotations

import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

import pytest

_FORK = multiprocessing.get_context("fork")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--workers", type=int, help="how many processes share the tests out; by default pytest's alone")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("workers") and not config.getoption("collectonly"):
        config.pluginmanager.register(_Controller(config.getoption("workers")))


class _Shares:
    """The numbers of the tests that are not begun, a range for each worker, in memory that all processes share."""

    def __init__(self, tests: int, workers: int) -> None:
        self._bounds = _FORK.Array("l", [tests * edge // workers for it in range(workers) for edge in (it, it + 1)])

    def next(self, worker: int, *, begin: bool = False) -> int | None:
        """The worker's next test, or the one after it if it is to ``begin`` now. If there is none, it gets half of another's.

        Nobody else gets the first of a range: its worker prepares for it while it runs the one before.
        """
        with self._bounds.get_lock():
            start, end = self._range(worker)
            start += begin
            if start == end:
                other = max(range(len(self._bounds) // 2), key=self._count)
                end = self._range(other)[1]
                start = end - self._count(other) // 2
                self._bounds[2 * other + 1] = start
            self._bounds[2 * worker : 2 * worker + 2] = [start, end]
            return start if start < end else None

    def _range(self, worker: int) -> tuple[int, int]:
        start, end = self._bounds[2 * worker : 2 * worker + 2]
        return start, end

    def _count(self, worker: int) -> int:
        start, end = self._range(worker)
        return end - start


class _Worker:
    """Runs tests in a process of its own, and tells the controller which hooks to call; None at the end."""

    def __init__(self, session: pytest.Session, shares: _Shares, number: int, controller: Connection) -> None:
        self._session = session
        self._config: Any = session.config
        self._shares = shares
        self._number = number
        self._controller = controller

    def run(self) -> None:
        plugins = self._config.pluginmanager
        plugins.unregister(name="terminalreporter")
        plugins.register(self)
        # What a test writes goes to a file, which would be that of all workers.
        capture = plugins.getplugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()
        self._config._tmp_path_factory._basetemp /= f"worker-{self._number}"
        self._config._tmp_path_factory._basetemp.mkdir(exist_ok=True)
        with suppress(KeyboardInterrupt):
            self._run()
            self._controller.send(None)

    def _run(self) -> None:
        items = [*self._session.items, None]
        number = self._shares.next(self._number)
        while number is not None and not self._session.shouldfail:
            following = self._shares.next(self._number, begin=True)
            self._config.hook.pytest_runtest_protocol(
                item=items[number], nextitem=items[-1 if following is None else following]
            )
            number = following

    def pytest_runtest_logstart(self, nodeid: str, location: object) -> None:
        self._controller.send(("pytest_runtest_logstart", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._controller.send(("pytest_runtest_logreport", {"report": data}))

    def pytest_runtest_logfinish(self, nodeid: str, location: object) -> None:
        self._controller.send(("pytest_runtest_logfinish", {"nodeid": nodeid, "location": location}))


class _Controller:
    """Forks workers, and calls pytest's hooks as they tell it."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._forked: dict[Connection, tuple[int, ForkProcess]] = {}
        self._begun: dict[int, dict[str, Any]] = {}
        """By worker, the test that it runs."""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        config: Any = session.config
        # Or it names a file for each test.
        config.pluginmanager.getplugin("terminalreporter").showfspath = False
        # What all workers have their directories in.
        config._tmp_path_factory.getbasetemp()
        shares = _Shares(len(session.items), self._workers)
        try:
            for number in range(self._workers):
                self._fork(session, shares, number)
            while self._forked:
                for ready in wait(list(self._forked)):
                    self._receive(session, shares, ready)  # type: ignore[arg-type]  # only connections were waited for
                    if session.shouldfail:
                        raise session.Failed(session.shouldfail)
        finally:
            for _, process in self._forked.values():
                process.kill()
        return True

    def _fork(self, session: pytest.Session, shares: _Shares, number: int) -> None:
        receives, sends = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_Worker(session, shares, number, sends).run)
        process.start()
        sends.close()
        self._forked[receives] = number, process

    def _receive(self, session: pytest.Session, shares: _Shares, worker: Connection) -> None:
        hooks = session.config.hook
        number, process = self._forked[worker]
        try:
            message = worker.recv()
        except EOFError:
            process.join()
            hooks.pytest_runtest_logreport(report=self._killed(number, process.exitcode))
            self._fork(session, shares, number)
            message = None
        if message is None:
            del self._forked[worker]
            process.join()
            return
        name, arguments = message
        if name == "pytest_runtest_logstart":
            self._begun[number] = arguments
        elif name == "pytest_runtest_logreport":
            arguments["report"] = hooks.pytest_report_from_serializable(config=session.config, data=arguments["report"])
        getattr(hooks, name)(**arguments)

    def _killed(self, worker: int, code: int | None) -> pytest.TestReport:
        """What the worker ran when its process ended; where it left off, the next one goes on."""
        said = f"its process ended with {code}"
        return pytest.TestReport(**self._begun.pop(worker), keywords={}, outcome="failed", longrepr=said, when="call")
