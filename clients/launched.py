"""A folder laid out like an installation, with launch_all_rust.sh, stop_all.sh and the container's scripts, on free ports."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployment import HOME, free_ports, is_free, wait_for

# Stands in for a program: notes its arguments, answers /health on the port of --port or --router-port, lives as FAKE_LIFE says.
FAKE = """#!{python}
import http.server, os, pathlib, signal, subprocess, sys, time
name = pathlib.Path(sys.argv[0]).name
with open({noted!r} + "/" + name, "a") as notes:
    notes.write("\\0".join(sys.argv[1:]) + "\\n")
life = os.environ.get("FAKE_LIFE_" + name.removeprefix("infini-").upper(), "")
if life.startswith("ends:"):
    time.sleep(float(life.split(":")[1]))
    print("no luck today", flush=True)
    os._exit(int(life.split(":")[2]))
if life == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "300"])
    pathlib.Path({noted!r} + "/child").write_text(str(child.pid))
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
port = next((int(sys.argv[i + 1]) for i, a in enumerate(sys.argv) if a in ("--port", "--router-port")), None)
if port is None:
    time.sleep(300)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Health).serve_forever()
"""

SIMULATED = """name = "simulated"
host = "127.0.0.1"
port = {port}
[backend]
type = "simulate"
[metadata]
cache_type = "paged"
"""


@dataclass(frozen=True)
class Installation:
    """`root` as in a container's /app; `bin` with fake programs, or the real ones; state below `root`."""

    root: Path
    noted: Path
    registry_port: int
    router_port: int
    service_port: int
    environment: dict[str, str]

    def run(self, script: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / script), *arguments], env=self.environment | extra, cwd="/", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip

    @contextmanager
    def started(self, script: str, *arguments: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
        """A script that stays, in the background; its output is in `output`."""
        with self.output.open("w") as out:
            process = subprocess.Popen(
                [str(self.root / script), *arguments], env=self.environment | extra, cwd="/", text=True,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    @property
    def output(self) -> Path:
        return self.noted / "output"

    def said(self, text: str, timeout_seconds: float = 60) -> None:
        """Waits until the script in the background has printed this."""
        try:
            wait_for(repr(text), lambda: text in self.output.read_text(), timeout_seconds)
        except TimeoutError as e:
            raise AssertionError(f"{e}; printed:\n{self.output.read_text()}") from e

    def calls(self, program: str) -> list[list[str]]:
        """The arguments of each call of a fake program."""
        noted = self.noted / f"infini-{program}"
        return [line.split("\0") for line in noted.read_text().splitlines()] if noted.exists() else []

    def pid(self, name: str) -> int:
        return int((self.root / "logs" / f"{name}.pid").read_text())

    def busy(self) -> list[int]:
        ports = [self.registry_port, self.router_port, self.service_port, self.service_port + 1]
        return [p for p in ports if not is_free(p)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def flag(call: list[str], name: str) -> str | None:
    return call[call.index(name) + 1] if name in call else None


@contextmanager
def installation(folder: Path, *, real: bool = False) -> Iterator[Installation]:
    root, noted = folder / "app", folder / "noted"
    (root / "config").mkdir(parents=True)
    (root / "script").mkdir()
    noted.mkdir()
    for name in ("launch_all_rust.sh", "stop_all.sh", "services.sh"):
        shutil.copy(HOME / "script" / name, root / "script" / name)
    for name in ("docker_entrypoint.sh", "healthcheck.sh"):
        shutil.copy(HOME / "docker" / name, root / name)
    first = free_ports(4)
    (root / "config" / "simulated.toml").write_text(SIMULATED.format(port=first + 2))
    if real:
        (root / "bin").symlink_to(HOME / "bin")
    else:
        (root / "bin").mkdir()
        for program in ("registry", "router", "babysitter"):
            path = root / "bin" / f"infini-{program}"
            path.write_text(FAKE.format(python=sys.executable, noted=str(noted)))
            path.chmod(0o755)
        (root / "bin" / "infini").symlink_to(HOME / "bin" / "infini")
    kept = {k: os.environ[k] for k in ("HOME", "JAVA_HOME", "LANG", "USER") if k in os.environ}
    system = [p for p in os.environ["PATH"].split(os.pathsep) if not (Path(p) / "infini-registry").exists()]
    environment = kept | {
        "PATH": os.pathsep.join([str(root / "bin"), *system]),
        "XDG_STATE_HOME": str(folder / "state"),
        "REGISTRY_PORT": str(first),
        "ROUTER_PORT": str(first + 1),
        "LISTEN_HOST": "127.0.0.1",
        "BABYSITTER_CONFIGS": "simulated.toml",
        "ROUTER_REGISTRY_SYNC_INTERVAL": "1",
    }
    made = Installation(root, noted, first, first + 1, first + 2, environment)
    try:
        yield made
    finally:
        made.run("script/stop_all.sh", STOP_TIMEOUT_SECONDS="3")
        deadline = time.monotonic() + 10
        while made.busy() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not made.busy(), f"still busy: {made.busy()}"


def end_process(process: subprocess.Popen[str], timeout_seconds: float) -> tuple[int, float]:
    """SIGTERM; its exit code and the seconds that it took."""
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout_seconds), time.monotonic() - begin
