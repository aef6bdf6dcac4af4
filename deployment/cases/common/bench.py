#!/usr/bin/env python3
"""Runs one benchmark of a case; called by the bench-*.sh scripts, which set the defaults.

bench.py KIND [REGISTRY_IP], KIND one of: size-based-routing, 2paged-round-robin, single-instance, round-robin, cache-routing

Runs vLLM's `bench serve` from source where vLLM is, else `infini bench`, and says which. Exit code 0: every run answered
requests; 1: a run answered none, or something is missing; 2: wrong usage or a bad value.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from case_dataset import Dataset, prepare
from case_fleet import Fleet, Instance, flush_cache, look, temporary_router
from case_results import Result, newest_since, report

COMMON = Path(__file__).resolve().parent
HOME = COMMON.parents[2]
INFINI = HOME / "bin" / "infini"
CASE = Path(os.environ.get("CASE_DIR") or COMMON.parent / "cache-type-routing-validation")


class Problem(Exception):
    """What is missing, for the user; exit code 1."""


class BadValue(Problem):
    """A setting that cannot be; exit code 2."""


def setting(name: str, default: str) -> str:
    return os.environ.get(name) or default


def whole(name: str, default: int, least: int = 1) -> int:
    text = setting(name, str(default))
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise BadValue(f"{name}: {text} (expected: a whole number, {least} or more)")
    return value


@dataclass(frozen=True)
class Load:
    """How requests are sent, whoever sends them."""

    model: str
    rate: str
    concurrency: int | None
    requests: int
    output_tokens: int
    tokenizer: str
    ready_seconds: int
    seed: int


def rate() -> str:
    text = setting("REQUEST_RATE", "1.0")
    try:
        if float(text) > 0:
            return text
    except ValueError:
        pass
    raise BadValue(f"REQUEST_RATE: {text} (expected: requests a second, a number above 0, or inf)")


def tokenizer() -> str:
    """TOKENIZER_DIR, else MODEL1_DIR with a tokenizer.json, else the bundled model's."""
    given = os.environ.get("TOKENIZER_DIR")
    if given:
        if not Path(given, "tokenizer.json").is_file() and not Path(given, "tokenizer.model").is_file():
            raise Problem(f"TOKENIZER_DIR: {given} has no tokenizer.json (expected: a tokenizer in the Hugging Face layout)")
        return given
    model = os.environ.get("MODEL1_DIR")
    if model and Path(model, "tokenizer.json").is_file():
        return model
    return str(HOME / "model" / "tokenizer")


class Vllm:
    """vLLM's client, run from its source."""

    def __init__(self, source: str, python: str) -> None:
        self.source = source
        self.python = python

    def command(self, url: str, load: Load, dataset: Dataset, label: str, results: Path, backend: str) -> list[str]:
        host, _, port = url.removeprefix("http://").rpartition(":")
        client = [self.python, str(COMMON / "run_benchmark.py"), self.source]
        return [*client, *flags(load, dataset, label, results, backend), "--host", host, "--port", port]

    def observed(self, command: list[str], router: str, results: Path) -> list[str]:
        return [str(INFINI), "bench", "--observe", str(results), "--url", router, "--", *command]


class InfiniBench:
    """Our own client."""

    def command(self, url: str, load: Load, dataset: Dataset, label: str, results: Path, backend: str) -> list[str]:
        return [str(INFINI), "bench", *flags(load, dataset, label, results, backend), "--url", url]

    def observed(self, command: list[str], router: str, results: Path) -> list[str]:
        return command


def flags(load: Load, dataset: Dataset, label: str, results: Path, backend: str) -> list[str]:
    made = {
        "--backend": backend,
        "--endpoint": "/v1/chat/completions",
        "--model": load.model,
        "--tokenizer": load.tokenizer,
        "--dataset-name": "custom",
        "--dataset-path": str(dataset.path),
        "--custom-output-len": str(load.output_tokens),
        "--request-rate": load.rate,
        "--num-prompts": str(load.requests),
        "--seed": str(load.seed),
        "--label": label,
        "--result-dir": str(results),
        "--ready-check-timeout-sec": str(load.ready_seconds),
    }
    if load.concurrency is not None:
        made["--max-concurrency"] = str(load.concurrency)
    return [word for pair in made.items() for word in pair] + ["--save-result", "--save-detailed"]


def client(keys_needed: bool) -> Vllm | InfiniBench:
    """BENCH_CLIENT, else vLLM's where its source is."""
    asked = setting("BENCH_CLIENT", "auto")
    if asked not in ("auto", "vllm", "infini"):
        raise BadValue(f"BENCH_CLIENT: {asked} (expected: auto, vllm or infini)")
    if keys_needed and asked != "vllm":
        print("client: infini bench (vLLM's bench does not send prompt_cache_key)")
        return InfiniBench()
    if asked == "infini":
        print("client: infini bench (BENCH_CLIENT)")
        return InfiniBench()
    source = ask_vllm("find_vllm")
    if source and Path(source, "vllm", "benchmarks", "serve.py").is_file():
        python = ask_vllm("find_vllm_python")
        if not python:
            raise Problem(
                f"vLLM is in {source}, but the environment {setting('CONDA_ENV_NAME', 'vllm-bench')} of its client is not"
                " prepared. Call setup-vllm-env.sh, or set BENCH_CLIENT=infini."
            )
        print(f"client: vLLM's bench, from {source}")
        return Vllm(source, python)
    why = f"VLLM_DIR: {source} has no vllm/benchmarks/serve.py" if source else "no vLLM source; VLLM_DIR is not set"
    if asked == "vllm":
        raise Problem(f"BENCH_CLIENT is vllm, but: {why}")
    print(f"client: infini bench ({why})")
    return InfiniBench()


def ask_vllm(function: str) -> str:
    """What a function of vllm.sh prints."""
    command = ["bash", "-c", f'. "$0" && {function}', str(COMMON / "vllm.sh")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


@dataclass(frozen=True)
class Run:
    """One result: where to, under which name."""

    label: str
    url: str
    what: str
    routed: bool


class Bench:
    """One call of a script: its runs, one after the other, on one data set."""

    def __init__(self, fleet: Fleet, load: Load, dataset: Dataset, sender: Vllm | InfiniBench, backend: str) -> None:
        self.fleet = fleet
        self.load = load
        self.dataset = dataset
        self.sender = sender
        self.backend = backend
        self.results = Path(setting("RESULTS_DIR", str(CASE / "results"))).absolute()
        self.results.mkdir(parents=True, exist_ok=True)
        self.flush = setting("FLUSH_CACHES", "true").lower() in ("true", "1", "yes")

    def run(self, runs: list[Run]) -> int:
        done: list[tuple[Run, Result | None]] = []
        for run in runs:
            if self.flush:
                for instance in self.fleet.instances:
                    flush_cache(instance, self.load.model)
            print(f"\n== {run.label}: {self.load.requests} requests to {run.url} ({run.what})", flush=True)
            done.append((run, self.one(run)))
        return report(done, self.dataset)

    def one(self, run: Run) -> Result | None:
        started = time.time()
        command = self.sender.command(run.url, self.load, self.dataset, run.label, self.results, self.backend)
        if run.routed:
            command = self.sender.observed(command, run.url, self.results)
        log = self.results / f"bench-{run.label}.log"
        code = tee(command, log)
        result = newest_since(self.results, run.label, started)
        if result is None:
            print(f"no result was written (exit code {code}); log: {log}", file=sys.stderr)
        return result


def tee(command: list[str], log: Path) -> int:
    """Runs it, its output on the terminal and in the log; Ctrl-C reaches it as well, and it ends in its own way."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None
        interrupted = False
        while True:
            try:
                for chunk in iter(lambda: process.stdout.read1(65536), b""):
                    out.write(chunk)
                    sys.stdout.buffer.write(chunk)
                    sys.stdout.buffer.flush()
                code = process.wait()
                break
            except KeyboardInterrupt:
                interrupted = True
    if interrupted:
        sys.exit(130)
    return code


def main() -> int:
    arguments = sys.argv[1:]
    if not 1 <= len(arguments) <= 2 or arguments[0] not in KINDS:
        print(__doc__, file=sys.stderr)
        return 2
    host = arguments[1] if len(arguments) > 1 else "localhost"
    try:
        return KINDS[arguments[0]](host)
    except Problem as e:
        print(f"{arguments[0]}: {e}", file=sys.stderr)
        return 2 if isinstance(e, BadValue) else 1


def router_url(host: str) -> str:
    port = whole("ROUTER_PORT", 8000)
    return f"http://{'127.0.0.1' if host in ('', 'localhost') else host}:{port}"


def load(default_requests: int, concurrency: int | None, model: str) -> Load:
    limit = whole("MAX_CONCURRENCY", concurrency) if concurrency or os.environ.get("MAX_CONCURRENCY") else None
    return Load(
        model,
        rate(),
        limit,
        whole("NUM_REQUESTS", default_requests),
        whole("OUTPUT_LEN", 256),
        tokenizer(),
        whole("READY_CHECK_TIMEOUT", 0, 0),
        whole("SEED", 0, 0),
    )


def small_and_large(fleet: Fleet) -> tuple[list[str], int]:
    """Arguments of the generator, and the number of requests; lengths on both sides of the router's threshold."""
    conversations = whole("NUM_CONVERSATIONS", 4)
    messages = whole("MESSAGES_PER_CONV", 4)
    bytes_a_unit = 8 if fleet.metric == "tokens" else 1
    limit = fleet.threshold * bytes_a_unit
    large = max(limit + limit // 6, 256)
    small = min(1024, max(limit // (2 * messages), 16))
    made = {
        "--num-conversations": conversations,
        "--messages-per-conv": messages,
        "--context-len": whole("CONTEXT_LEN", small),
        "--new-msg-len": whole("NEW_MSG_LEN", min(128, max(small // 8, 8))),
        "--num-large-context": whole("NUM_LARGE_CONTEXT", 1, 0),
        "--large-context-len": whole("LARGE_CONTEXT_LEN", large),
        "--threshold": limit,
        "--seed": whole("DATASET_SEED", 42, 0),
    }
    return [str(word) for pair in made.items() for word in pair], conversations * messages


def looked_at(host: str) -> Fleet:
    model = setting("MODEL", "9g_8b_thinking")
    url = router_url(host)
    try:
        return look(url, model, host)
    except (OSError, LookupError, ValueError) as e:
        raise Problem(str(e)) from e


def dataset_of(generator: str, arguments: list[str], default_name: str) -> Dataset:
    given = os.environ.get("DATASET_FILE")
    path = Path(given) if given else CASE / "results" / "dataset" / default_name
    beside = CASE / default_name
    if not given and beside.exists():
        print(f"data set: {beside} is not used; DATASET_FILE={beside} uses it")
    try:
        return prepare(INFINI, generator, arguments, path.absolute())
    except (OSError, ValueError) as e:
        raise Problem(str(e)) from e


def size_based_routing(host: str) -> int:
    fleet = looked_at(host)
    arguments, requests = small_and_large(fleet)
    dataset = dataset_of("gen-large-context", arguments, "large_context.jsonl")
    runs = [Run("size-based-routing", fleet.router, "the router", True)]
    for pool in ("paged", "static"):
        instance = fleet.first(pool)
        if instance is None:
            print(f"warning: no {pool} instance is in service: no {pool}-cache result", file=sys.stderr)
        else:
            runs.append(Run(f"{pool}-cache", instance.url, f"straight to {instance.name}", False))
    sender = client(False)
    bench = Bench(fleet, load(requests, 4, fleet.model), dataset, sender, "openai")
    return bench.run(runs)


def two_paged(host: str) -> int:
    fleet = looked_at(host)
    if len([i for i in fleet.instances if i.pool == "paged"]) < 2 or fleet.first("static"):
        seen = ", ".join(f"{i.name} ({i.pool})" for i in fleet.instances)
        raise Problem(f"{fleet.router} has {seen} (expected: two paged instances; start-master-2paged.sh starts them)")
    arguments, requests = small_and_large(fleet)
    dataset = dataset_of("gen-large-context", arguments, "large_context.jsonl")
    sender = client(False)
    bench = Bench(fleet, load(requests, 4, fleet.model), dataset, sender, "openai")
    return bench.run([Run("2paged-round-robin", fleet.router, "the router, two paged instances in turn", True)])


def accumulating(host: str, label: str, policy: str, single: bool) -> int:
    """One of the three arms of the second case: the same conversations, sent by one client."""
    fleet = looked_at(host)
    if not single and len(fleet.instances) < 2:
        raise Problem(f"{fleet.router} has {len(fleet.instances)} instance (expected: two; start-master.sh starts them)")
    conversations, messages = whole("NUM_CONVERSATIONS", 4), whole("MESSAGES_PER_CONV", 8)
    made = {
        "--num-conversations": conversations,
        "--messages-per-conv": messages,
        "--context-len": whole("CONTEXT_LEN", 2048),
        "--new-msg-len": whole("NEW_MSG_LEN", 128),
    }
    arguments = [str(word) for pair in made.items() for word in pair]
    dataset = dataset_of("gen-accumulate-context", arguments, "accumulate_context.jsonl")
    sender = client(True)
    bench = Bench(fleet, load(conversations * messages, None, fleet.model), dataset, sender, "openai-chat")
    instances: list[Instance] = fleet.instances[:1] if single else fleet.instances
    with temporary_router(INFINI, instances, policy) as router:
        names = " and ".join(i.name for i in instances)
        return bench.run([Run(label, router, f"a router of its own, policy {policy}, in front of {names}", True)])


KINDS = {
    "size-based-routing": size_based_routing,
    "2paged-round-robin": two_paged,
    "single-instance": lambda host: accumulating(host, "single-instance", "cache-type", True),
    "round-robin": lambda host: accumulating(host, "round-robin", "round-robin", False),
    "cache-routing": lambda host: accumulating(host, "cache-routing", "cache-type", False),
}

if __name__ == "__main__":
    sys.exit(main())
