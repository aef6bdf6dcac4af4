"""What the router of a running case says about itself and its instances."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Instance:
    name: str
    url: str
    pool: str | None


@dataclass(frozen=True)
class Fleet:
    router: str
    model: str
    threshold: int
    metric: str
    instances: list[Instance]

    def first(self, pool: str) -> Instance | None:
        return next((i for i in self.instances if i.pool == pool), None)


def call(url: str, body: object = None, timeout_seconds: float = 10) -> tuple[dict[str, str], bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with _OPENER.open(request, timeout=timeout_seconds) as answer:
            return {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as e:
        raise OSError(f"{url}: status {e.code}: {e.read()[:300].decode(errors='replace')}") from e
    except (urllib.error.URLError, TimeoutError, ConnectionError) as e:
        raise OSError(f"{url} does not answer: {getattr(e, 'reason', e)} (expected: a running case; start-master.sh starts it)") from e


def chat(base: str, model: str, text: str, timeout_seconds: float) -> tuple[dict[str, str], bytes]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 1}
    return call(f"{base}/v1/chat/completions", body, timeout_seconds)


def look(router: str, model: str, host: str) -> Fleet:
    """Instances in service for the model, by name; the threshold in force, from the answer to one request."""
    call(f"{router}/health")
    services = json.loads(call(f"{router}/services")[1])["services"]
    serving = [s for s in services if s.get("healthy") and s.get("state", "routable") == "routable"]
    offered = sorted({m for s in serving for m in s.get("models", [])})
    if model not in offered:
        raise LookupError(f"MODEL: {model} is not offered by {router} (expected: one of {', '.join(offered) or 'none is in service'})")
    headers, _ = chat(router, model, "Hello", 120)
    threshold = int(headers.get("x-infini-threshold", "51200"))
    metric = "body"
    try:
        [newest] = json.loads(call(f"{router}/decisions?limit=1")[1])["decisions"]
        metric = newest.get("metric") or metric
    except (OSError, ValueError):
        pass
    instances = [
        Instance(s["name"], reachable(s["url"], host), s.get("metadata", {}).get("cache_type"))
        for s in sorted(serving, key=lambda s: s["name"])
        if model in s.get("models", [])
    ]
    return Fleet(router, model, threshold, metric, instances)


def reachable(url: str, host: str) -> str:
    """The instance's address as seen from here: one that is registered as local is on the router's machine."""
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "0.0.0.0", "127.0.0.1", "::1")
    at = ("127.0.0.1" if host in ("", "localhost") else host) if local else parts.hostname
    return f"http://{at}:{parts.port}"


def flush_cache(instance: Instance, model: str) -> None:
    """Many short prompts push what the embedded engine kept of earlier prompts out of its cache, so that runs start alike."""
    draw = random.Random(time.time_ns())
    for _ in range(80):
        text = "".join(draw.choices("abcdefghiklmnoprstuvw", k=24))
        chat(instance.url, model, text, 120)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def temporary_router(infini: Path, instances: list[Instance], policy: str) -> Iterator[str]:
    """A second router in front of the same instances, for the time of one run."""
    port = free_port()
    flags = ["--router-port", str(port), "--host", "127.0.0.1", "--policy", policy, "--no-access-log"]
    for i in instances:
        kind = f",cache_type={i.pool}" if i.pool else ""
        flags += ["--instance", f"{i.url},name={i.name}{kind}"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([str(infini), "router", *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while not ready(url, len(instances)):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    said = re.sub(r"\s+", " ", log.read()[-500:].decode(errors="replace"))
                    raise OSError(f"the router with policy {policy} did not take the instances into service: {said}")
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()


def ready(url: str, instances: int) -> bool:
    try:
        listed = json.loads(call(f"{url}/services", timeout_seconds=2)[1])["services"]
    except (OSError, ValueError):
        return False
    return sum(1 for s in listed if s.get("healthy") and s.get("models")) == instances
