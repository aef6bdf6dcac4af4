"""The three fleets, and one measurement on one of them."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

MODEL = "m"
ARMS = {"paged": ("paged", "paged"), "static": ("static", "static"), "size rule": ("paged", "static")}
# The same room for each: 32768 tokens.
ENGINE = {
    "paged": ["--max_batch_size", "8", "--num_blocks", "2048", "--block_size", "16"],
    "static": ["--max_cache_len", "32768"],
}


@dataclass(frozen=True)
class Arm:
    """One fleet behind its router."""

    THRESHOLD: ClassVar[int] = 8192
    ANSWER_TOKENS: ClassVar[int] = 48

    name: str
    url: str


@dataclass(frozen=True)
class Run:
    """What one measurement gave; times in seconds from the intended send, by class of size."""

    arm: str
    completed: int
    failed: int
    throughput: float
    send_lag_p99_ms: float
    accuracy: float | None
    figures: dict[str, float]
    mix: str = ""
    load: str = ""
    repetition: int = -1

    def of(self, mix: str, load: str, repetition: int) -> Run:
        return replace(self, mix=mix, load=load, repetition=repetition)


class Machine:
    @staticmethod
    def call(command: list[object]) -> None:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{Path(str(command[0])).name} {command[1]}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    @staticmethod
    def line() -> str:
        cpu = platform.processor() or platform.machine()
        try:
            cpu = re.findall(r"(?m)^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text())[0]
        except (OSError, IndexError):
            pass
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return f"{cpu}, {cores} cores, {memory:.0f} GB, {platform.system()} {platform.release().split('-')[0]}"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def program(home: Path, log: Path, *words: str) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen([str(home / "bin" / "infini"), *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running(home: Path, folder: Path) -> Iterator[list[Arm]]:
    """All three fleets at once: engines without requests take no processor time."""
    with ExitStack() as stack:
        arms = []
        for name, kinds in ARMS.items():
            flags = []
            for number, kind in enumerate(kinds, 1):
                port = free_port()
                own = f"{name.replace(' ', '-')}-{number}"
                words = ["engine", "--port", str(port), "--cache_type", kind, "--served_model_name", MODEL, *ENGINE[kind]]
                stack.enter_context(program(home, folder / f"{own}.log", *words))
                flags += ["--instance", f"http://127.0.0.1:{port},name={own},cache_type={kind}"]
            port = free_port()
            words = ["router", "--host", "127.0.0.1", "--router-port", str(port), "--threshold", str(Arm.THRESHOLD), "--no-access-log", *flags]
            stack.enter_context(program(home, folder / f"{name}-router.log", *words))
            arms.append(Arm(name, f"http://127.0.0.1:{port}"))
        for arm in arms:
            wait_until_serving(arm, folder)
        yield arms


def wait_until_serving(arm: Arm, folder: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with opener.open(f"{arm.url}/services", timeout=5) as answer:
                listed = json.loads(answer.read())["services"]
            if sum(1 for s in listed if s["healthy"] and s["models"]) == 2:
                return
        except (OSError, urllib.error.URLError, ValueError):
            pass
        time.sleep(0.2)
    raise SystemExit(f"the fleet '{arm.name}' does not serve within 120 s; logs were in {folder}")


def measure(home: Path, arm: Arm, dataset: Path, rate: str, seed: int, folder: Path, concurrency: int | None = None) -> Run:
    """One run of `infini bench`."""
    file = folder / "result.json"
    flags: dict[str, object] = {
        "--url": arm.url,
        "--model": MODEL,
        "--dataset-name": "custom",
        "--dataset-path": dataset,
        "--custom-output-len": Arm.ANSWER_TOKENS,
        "--request-rate": rate,
        "--seed": seed,
        "--label": "cache-types",
        "--result-dir": folder,
        "--result-filename": file.name,
    }
    if concurrency is not None:
        flags["--max-concurrency"] = concurrency
    words = [str(word) for pair in flags.items() for word in pair]
    Machine.call([home / "bin" / "infini", "bench", *words, "--ignore-eos", "--save-result", "--no-progress"])
    result = json.loads(file.read_text())
    file.unlink()
    return read(arm, result)


def read(arm: Arm, result: dict) -> Run:
    answered = [r for r in result["requests"] if r["outcome"] == "ok"]
    small = [r for r in answered if r["size_bytes"] <= Arm.THRESHOLD]
    large = [r for r in answered if r["size_bytes"] > Arm.THRESHOLD]
    figures = {}
    for kind, of in (("all", answered), ("small", small), ("large", large)):
        for name, key in (("ttft", "ttft_s"), ("tpot", "tpot_s"), ("e2e", "e2e_s")):
            values = [r[key] for r in of if r.get(key) is not None]
            if values:
                figures[f"{name} {kind}"] = statistics.fmean(values)
    cached = sum(r.get("cached_tokens") or 0 for r in answered)
    figures["cached share"] = cached / max(1, sum(r["input_tokens"] for r in answered))
    return Run(
        arm.name,
        result["completed"],
        result["failed"],
        result["request_throughput"],
        (result.get("send_lag_ms") or {}).get("p99", 0.0),
        (result.get("routing") or {}).get("accuracy"),
        figures,
    )
