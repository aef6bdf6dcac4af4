"""Starts and ends the programs that the client tests talk to."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
INFINI = HOME / "bin" / "infini"
CASE = HOME / "deployment" / "cases" / "cache-type-routing-validation"
BUNDLED_MODEL = HOME / "model" / "infini-tiny.gguf"
LLAMA_CPP_SERVER = HOME / "script" / "llama_cpp_server.py"
MODEL = "9g_8b_thinking"
PAGED = "paged-cache-9g_8b_thinking"
STATIC = "static-cache-9g_8b_thinking"


def free_ports(count: int = 1) -> int:
    """The first of `count` adjacent free ports, below the range that systems hand out by themselves."""
    for _ in range(200):
        first = random.randrange(20000, 32000 - count)
        sockets: list[socket.socket] = []
        try:
            for port in range(first, first + count):
                s = socket.socket()
                sockets.append(s)
                s.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise RuntimeError(f"no {count} adjacent free ports in 20000..31999")


def is_free(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


def get(url: str, timeout_seconds: float = 5) -> tuple[int, bytes]:
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=timeout_seconds) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def wait_for(what: str, check: Callable[[], bool], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except OSError as e:
            last = e
        time.sleep(0.1)
    raise TimeoutError(f"{what}: not within {timeout_seconds} s{f' ({last})' if last else ''}")


def models_at(base: str) -> list[str]:
    status, body = get(f"{base}/v1/models")
    return [m["id"] for m in json.loads(body)["data"]] if status == 200 else []


@dataclass(frozen=True)
class Deployment:
    """A running case: registry, router, two instances."""

    router_port: int
    registry_port: int
    paged_port: int
    static_port: int
    environment: dict[str, str]
    started: str

    @property
    def router(self) -> str:
        return f"http://127.0.0.1:{self.router_port}"

    def script(self, name: str, *arguments: str, timeout_seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a script of the case folder from another folder."""
        return run([str(CASE / name), *arguments], self.environment, timeout_seconds)

    def ports(self) -> list[int]:
        instances = [self.paged_port, self.paged_port + 1, self.static_port, self.static_port + 1]
        return [self.registry_port, self.router_port, *instances]


def run(command: list[str], environment: dict[str, str], timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


def case_environment(folder: Path, **extra: str) -> tuple[dict[str, str], int]:
    """The case's settings on free ports, with its state in `folder`; and the first port."""
    first = free_ports(6)
    config = folder / "config"
    config.mkdir(parents=True)
    for name, old, new in ((PAGED, 8100, first + 2), (STATIC, 8200, first + 4)):
        text = (CASE / "config" / f"{name}.toml").read_text()
        text = re.sub(rf"(?m)^port = {old}$", f"port = {new}", text)
        (config / f"{name}.toml").write_text(text)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("INFINI_", "CACHE_TYPE_", "PROXY_"))}
    environment = kept | {
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_STATE_HOME": str(folder / "state"),
        "CONFIG_DIR": str(config),
        "REGISTRY_PORT": str(first),
        "ROUTER_PORT": str(first + 1),
        "MODEL1_DIR": "",
        "CACHE_TYPE_ROUTING_THRESHOLD": "",
        "START_TIMEOUT_SECONDS": "60",
    }
    return environment | extra, first


@contextmanager
def running_case(folder: Path, **extra: str) -> Iterator[Deployment]:
    """The case, started with start-master.sh and ended with `infini down`."""
    environment, first = case_environment(folder, **extra)
    try:
        started = run([str(CASE / "start-master.sh")], environment, 120)
        if started.returncode != 0:
            raise RuntimeError(f"start-master.sh: exit code {started.returncode}\n{started.stdout}{started.stderr}")
        yield Deployment(first + 1, first, first + 2, first + 4, environment, started.stdout)
    finally:
        down = run([str(INFINI), "down"], environment, 60)
        busy = [p for p in range(first, first + 6) if not is_free(p)]
    if down.returncode != 0 or busy:
        raise RuntimeError(f"infini down: exit code {down.returncode}, busy ports {busy}\n{down.stdout}{down.stderr}")


@contextmanager
def running(command: list[str], log: Path, grace_seconds: float = 15) -> Iterator[subprocess.Popen[bytes]]:
    """One program in the foreground, ended with SIGTERM; killed when it stays for longer than the grace."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def llama_cpp_server(port: int) -> list[str]:
    words = [sys.executable, str(LLAMA_CPP_SERVER), "-m", str(BUNDLED_MODEL), "--alias", MODEL, "--port", str(port)]
    return [*words, "-c", "4096", "--parallel", "2", "--threads", "1"]


def english(length: int) -> str:
    """Text of exactly `length` characters."""
    sentence = "The old tram stops at the harbour, and nobody remembers who planted the trees beside it. "
    return (sentence * (length // len(sentence) + 1))[:length]
