"""The servers that are compared, each started on one core on a directory of packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from generator.local.processes import free_port
from generator.parts.container_program import VARIABLE, entry_point, packed
from tests.server.tasks import wheel

from .load import PUBLISHER, fetch, get, rate

# As the Terraform module configures it.
ORIGINAL_GUNICORN = "preload_app = True\nworker_class = 'gevent'\nworkers = 4\nerrorlog = '-'\ntimeout = 300\n"

Server = Callable[[Path, Path, str], tuple[list[str], int, dict[str, str]]]
"""Program, port and environment of a server of a directory, with a directory and a Python interpreter to use."""


def resident_mib(group: int) -> float:
    """Proportional set size of a process group: pages shared by forks count once."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            if os.getpgid(int(status.parent.name)) == group:
                total += sum(int(line.split()[1]) for line in status.read_text().splitlines() if line[:4] == "Pss:")
        except (OSError, ValueError):
            continue
    return total / 1024


def cpu_ticks(group: int) -> int:
    """CPU time that a process group has used."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                total += int(fields[11]) + int(fields[12])
    return total


def cost(port: int, group: int, path: str, seconds: float) -> float:
    """CPU-seconds of a server's processes for a thousand requests."""
    before, began = cpu_ticks(group), time.perf_counter()
    requests = rate(port, [path], seconds, clients=4) * (time.perf_counter() - began)
    return (cpu_ticks(group) - before) / os.sysconf("SC_CLK_TCK") / requests * 1000


def rest(group: int) -> None:
    """Wait until a process group has finished the requests whose clients are gone."""
    spent = -1
    while spent != (spent := cpu_ticks(group)):
        time.sleep(0.5)


def populate(directory: Path, files: int, releases: int = 0) -> None:
    """`files` files, `releases` of them of one project, 200 of another, a wheel of 1 MiB, projects of three small wheels."""
    directory.mkdir(parents=True)
    named = {"versions": 200, "releases": releases}
    small = max(files - 201 - releases, 30)
    for project, count in (*named.items(), *((f"project{number}", 3) for number in range(small // 3))):
        for version in range(count):
            name, content = wheel(project, f"1.{version}", os.urandom(700))
            (directory / name).write_bytes(content)
    (directory / "large-1.0-py3-none-any.whl").write_bytes(os.urandom(1 << 20))


@contextmanager
def serving(server: Server, directory: Path, python: str) -> Iterator[tuple[int, int]]:
    """The server of `directory` on one core, answering; yields its port and process group."""
    with tempfile.TemporaryDirectory(prefix="pypiserver-bench-") as scratch:
        home = Path(scratch)
        program, port, environment = server(directory, home, python)
        with (home / "server.log").open("wb") as log:
            process = subprocess.Popen(
                ["taskset", "-c", "0", *program],
                env={"PATH": os.environ["PATH"], "HOME": scratch, **environment},
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        try:
            for _ in range(600):
                try:
                    # Not every server has this path; whoever answers is there.
                    if get(port, "/health") in (200, 404):
                        break
                except OSError:
                    pass
                time.sleep(0.1)
            else:
                sys.exit(f"{program[0]} does not answer:\n{(home / 'server.log').read_text()}")
            yield port, process.pid
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def original(directory: Path, home: Path, python: str) -> tuple[list[str], int, dict[str, str]]:
    """htpasswd with bcrypt of cost 10, four gevent workers, simple-dir, sha256."""
    make = "import bcrypt, sys; print(sys.argv[1] + ':' + bcrypt.hashpw(sys.argv[2].encode(), bcrypt.gensalt(10)).decode())"
    (home / "htpasswd").write_text(subprocess.check_output([python, "-c", make, *PUBLISHER], text=True))
    (home / "gunicorn.conf.py").write_text(ORIGINAL_GUNICORN)
    return stock_program(directory, home, python, "simple-dir")


def stock_program(directory: Path, home: Path, python: str, backend: str) -> tuple[list[str], int, dict[str, str]]:
    """pypiserver as it is, with the accounts and the gunicorn configuration that are in `home`."""
    port = free_port()
    options = (
        f"run -p {port} --server gunicorn --backend {backend} --authenticate download,list,update -P {home}/htpasswd"
    )
    program = [python, "-m", "pypiserver", *options.split(), str(directory)]
    return program, port, {"GUNICORN_CMD_ARGS": f"-c {home}/gunicorn.conf.py"}


def ours(directory: Path, home: Path, python: str) -> tuple[list[str], int, dict[str, str]]:
    port = free_port()
    environment = {
        VARIABLE: packed().rest,
        "PUBLISHER_USERNAME": PUBLISHER[0],
        "PUBLISHER_PASSWORD": PUBLISHER[1],
        "PACKAGES_DIRECTORY": str(directory),
        "PORT": str(port),
        "TMPDIR": str(home),
    }
    return [*entry_point(python), *packed().command], port, environment


def nginx(directory: Path, home: Path, _python: str) -> tuple[list[str], int, dict[str, str]]:
    """nginx serving packages, and the answers that ``record`` kept, from files without credentials: the limit."""
    return _nginx(directory, home, "")


def nginx_with_accounts(directory: Path, home: Path, _python: str) -> tuple[list[str], int, dict[str, str]]:
    """The same with basic authentication."""
    (home / "htpasswd").write_text(f"{PUBLISHER[0]}:{{PLAIN}}{PUBLISHER[1]}\n")
    (home / "htpasswd").chmod(0o644)
    home.chmod(0o755)
    return _nginx(directory, home, f"auth_basic pypi; auth_basic_user_file {home}/htpasswd;")


def record(port: int, directory: Path, paths: Iterable[str]) -> None:
    """Keep a server's answers to ``paths`` beside ``directory``, for nginx."""
    for path in paths:
        status, body = fetch(port, path)
        assert status == 200, path
        file = directory.parent / "answers" / path.strip("/") / "index.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)


def _nginx(directory: Path, home: Path, accounts: str) -> tuple[list[str], int, dict[str, str]]:
    port = free_port()
    (home / "nginx.conf").write_text(
        f"daemon off; pid {home}/pid; error_log {home}/e.log; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; sendfile on; client_body_temp_path {home}/b; proxy_temp_path {home}/p;"
        f" fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;"
        f" keepalive_requests 1000000; server {{ listen 127.0.0.1:{port};"
        f" location /packages/ {{ {accounts} alias {directory}/; }}"
        f" location /simple/ {{ {accounts} root {directory.parent}/answers; }}"
        f" location /health {{ return 200; }} }} }}\n"
    )
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    return [program, "-e", str(home / "e.log"), "-p", str(home), "-c", str(home / "nginx.conf")], port, {}
