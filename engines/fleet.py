"""Real engines as a paged and a single-slot instance: under babysitters with registry and router, or as servers that run already."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from deployment import BUNDLED_MODEL, HOME, INFINI, LLAMA_CPP_SERVER, free_ports, get, running, wait_for

MODEL = "tiny"
VLLM_VARIABLE = "INFINI_ENGINES_VLLM"
VLLM_CONTEXT, LLAMA_PAGED_CONTEXT, LLAMA_STATIC_CONTEXT = 16384, 8192, 32768
THRESHOLD_BYTES = 51200
# vLLM needs minutes on two busy cores.
START_SECONDS = {"llama.cpp": 60, "vllm": 600}


@dataclass(frozen=True)
class Kind:
    """An engine, and how it is started on a port.

    `command`, `args` and `env` stand in a babysitter's file; `running` is its gauge of requests under way."""

    name: str
    running: str
    paged_tokens: int
    static_tokens: int

    def command(self, port: int, cache_type: str, key: str = "") -> list[str]:
        if self.name == "llama.cpp":
            slots, context = (4, LLAMA_PAGED_CONTEXT) if cache_type == "paged" else (1, LLAMA_STATIC_CONTEXT)
            words = [sys.executable, str(LLAMA_CPP_SERVER), "-m", str(BUNDLED_MODEL), "--alias", MODEL, "--port", str(port)]
            words += ["-c", str(slots * context), "--parallel", str(slots), "--threads", "1", "--metrics"]
            return [*words, *(["--api-key", key] if key else [])]
        words = [str(vllm_folder() / "bin" / "vllm"), "serve", str(vllm_model()), "--host", "127.0.0.1", "--port", str(port)]
        words += ["--served-model-name", MODEL, "--dtype", "float32", "--enforce-eager", "--max-model-len", str(VLLM_CONTEXT)]
        words += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--shutdown-timeout", "30"]
        if cache_type == "static":
            words += ["--max-num-seqs", "1"]
        return [*words, *(["--api-key", key] if key else [])]

    def environment(self) -> dict[str, str]:
        if self.name == "llama.cpp":
            return {}
        path = os.pathsep.join([str(vllm_folder() / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
        return {
            "PATH": path, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1",
            "PYTHONDONTWRITEBYTECODE": "", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1",
        }  # fmt: skip

    def toml(self, name: str, port: int, registry_port: int, cache_type: str, key: str = "") -> str:
        command, *args = self.command(port, cache_type, key)
        env = "".join(f"{k} = {json.dumps(v)}\n" for k, v in self.environment().items())
        return (
            f'name = "{name}"\nhost = "127.0.0.1"\nport = {port}\nregistry_url = "http://127.0.0.1:{registry_port}"\n'
            f"heartbeat_interval = 2\nstop_grace = 40\nrestart_delay = 1\nstartup_timeout = {START_SECONDS[self.name]}\n"
            f'[backend]\ntype = "command"\ncommand = {json.dumps(command)}\nargs = {json.dumps(args)}\n'
            f'[backend.env]\n{env}[metadata]\ncache_type = "{cache_type}"\n'
        )


KINDS = {
    "llama.cpp": Kind("llama.cpp", "llamacpp:requests_processing", LLAMA_PAGED_CONTEXT, LLAMA_STATIC_CONTEXT),
    "vllm": Kind("vllm", "vllm:num_requests_running", VLLM_CONTEXT, VLLM_CONTEXT),
}


def vllm_folder() -> Path:
    return Path(os.environ[VLLM_VARIABLE])


def vllm_model() -> Path:
    return vllm_folder().parent / "vllm-model"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def instance(self) -> str:
        return self.headers.get("x-infini-instance", "").removesuffix("-server")

    def events(self) -> list[str]:
        lines = self.body.decode().replace("\r\n", "\n").split("\n")
        return [line[5:].strip() for line in lines if line.startswith("data:")]


def ask(base: str, path: str, body: Any = None, *, key: str = "", seconds: float = 120, method: str = "") -> Answer:
    """One request on a connection of its own."""
    host = base.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=seconds)
    headers = {"content-type": "application/json"} if body is not None else {}
    if key:
        headers["authorization"] = f"Bearer {key}"
    sent = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, sent, headers)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], "max_tokens": 8, "temperature": 0} | more


def gauge(base: str, name: str, *, key: str = "") -> float:
    """The sum of a metric's samples; -1 where it has none."""
    seen = [line for line in ask(base, "/metrics", key=key).body.decode().splitlines() if line.startswith(name)]
    values = [float(line.rsplit(" ", 1)[1]) for line in seen if line[len(name)] in "{ "]
    return sum(values) if values else -1


@dataclass
class Fleet:
    kind: Kind
    registry: str
    router: str
    paged: str
    static: str
    logs: Path
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def engines(self) -> dict[str, str]:
        return {"paged": self.paged, "static": self.static}

    def services(self) -> dict[str, Any]:
        return {s["name"]: s for s in json.loads(get(f"{self.registry}/services")[1])["services"]}

    def routable(self) -> int:
        status, body = get(f"{self.router}/services")
        return sum(s["state"] == "routable" for s in json.loads(body)["services"]) if status == 200 else 0

    def whole(self) -> None:
        try:
            wait_for("both instances in service", lambda: self.routable() == 2, START_SECONDS[self.kind.name])
        except TimeoutError as e:
            raise TimeoutError(f"{e}\n{self.tails()}") from e

    def tails(self) -> str:
        return "\n".join(f"== {p.name}\n{p.read_text(errors='replace')[-1500:]}" for p in sorted(self.logs.glob("*.log")))


@contextmanager
def fleet(kind: Kind, folder: Path, *router_flags: str, key: str = "") -> Iterator[Fleet]:
    """Registry, router and two babysitters, whole once both engines serve."""
    first = free_ports(6)
    registry, router, paged, static = first, first + 1, first + 2, first + 4
    made = Fleet(kind, *(f"http://127.0.0.1:{p}" for p in (registry, router, paged, static)), logs=folder)
    with ExitStack() as stack:
        start = partial(start_one, stack, folder, made)
        start("registry", "registry", "--host", "127.0.0.1", "--port", str(registry), "--data-dir", "")
        start("router", "router", "--host", "127.0.0.1", "--router-port", str(router), "--registry-url", made.registry,
              "--registry-sync-interval", "1", *router_flags)  # fmt: skip
        for name, port in (("paged", paged), ("static", static)):
            file = folder / f"{name}.toml"
            file.write_text(kind.toml(name, port, registry, name, key))
            start(name, "babysitter", "--config-file", str(file))
        made.whole()
        yield made


def start_one(stack: ExitStack, folder: Path, made: Fleet, name: str, *words: str) -> None:
    process = stack.enter_context(running([str(INFINI), *words], folder / f"{name}.log", 60))
    made.pids[name] = process.pid


__all__ = ["HOME", "KINDS", "MODEL", "Answer", "Fleet", "Kind", "ask", "chat", "fleet", "gauge"]
