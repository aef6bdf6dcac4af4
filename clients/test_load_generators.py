"""aiperf and guidellm against the router, streamed and plain; and what each reports when every stream breaks."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployment import HOME, MODEL, get, wait_for
from mortal import SIMULATED

REQUESTS = 12
OUTPUT_TOKENS = 12
TOKENIZER = str(HOME / "model" / "tokenizer")
NOWHERE = "http://127.0.0.1:9"
LIMIT_SECONDS = 150


@dataclass(frozen=True)
class Report:
    """What a load generator says about its run."""

    completed: int
    failed: int
    output_tokens: list[int]
    ttft_seconds: list[float]


def run(command: list[str], folder: Path, **extra: str) -> None:
    hidden = ("HF_", "TRANSFORMERS_", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    environment |= {"HF_HOME": str(folder / "hf"), "HF_ENDPOINT": NOWHERE, "NO_COLOR": "1", "COLUMNS": "200"} | extra
    log = folder / "log"
    with log.open("wb") as out:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
    assert done.returncode in (0, 1), f"exit code {done.returncode}\n{log.read_text()[-4000:]}"


def aiperf(router: str, model: str, folder: Path, *, stream: bool, fault: str | None = None) -> Report:
    command = [os.environ["INFINI_CLIENTS_AIPERF"], "profile", "--url", router, "--model", model]
    command += ["--endpoint-type", "chat", "--tokenizer", TOKENIZER, "--use-server-token-count"]
    command += ["--request-count", str(REQUESTS), "--concurrency", "3", "--random-seed", "1"]
    command += ["--synthetic-input-tokens-mean", "60", "--output-tokens-mean", str(OUTPUT_TOKENS)]
    command += ["--output-artifact-dir", str(folder), "--ui-type", "none", "--export-level", "records"]
    command += ["--streaming"] if stream else []
    command += ["--header", f"x-simulate-fault:{fault}"] if fault else []
    run(command, folder)
    lines = (folder / "profile_export.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    good = [r for r in records if not r.get("error")]
    summary = folder / "profile_export_aiperf.json"
    # Not written when every request failed.
    completed = int(json.loads(summary.read_text())["request_count"]["avg"]) if summary.exists() else 0
    assert completed == len(good), (completed, len(good))
    return Report(
        completed=completed,
        failed=len(records) - len(good),
        output_tokens=[r["metrics"]["output_sequence_length"]["value"] for r in good],
        ttft_seconds=[r["metrics"]["time_to_first_token"]["value"] / 1000 for r in good] if stream else [],
    )


def guidellm(router: str, model: str, folder: Path, *, stream: bool, fault: str | None = None) -> Report:
    backend: dict[str, Any] = {"kind": "openai_http", "target": router, "model": model, "stream": stream}
    backend |= {"extras": {"headers": {"x-simulate-fault": fault}}} if fault else {}
    settings = {
        "backend": backend,
        "profile": {"kind": "concurrent", "streams": 3},
        "constraints": [{"kind": "max_requests", "count": REQUESTS}],
        "tokenizer": {"kind": "hf_auto", "model": TOKENIZER},
        "data": [{"kind": "synthetic_text", "prompt_tokens": 60, "output_tokens": OUTPUT_TOKENS}],
        "outputs": [{"kind": "json", "path": str(folder / "out.json")}],
    }
    scenario = folder / "scenario.json"
    scenario.write_text(json.dumps({"spec": settings}))
    command = [os.environ["INFINI_CLIENTS_GUIDELLM"], "run", "--config", str(scenario), "--disable-console"]
    stand_in = str(Path(__file__).with_name("guidellm"))
    run(command, folder, PYTHONPATH=stand_in, USE_TORCH="0", HF_HUB_OFFLINE="1")
    (benchmark,) = json.loads((folder / "out.json").read_text())["benchmarks"]
    requests, totals = benchmark["requests"], benchmark["metrics"]["request_totals"]
    good = requests["successful"]
    assert totals["successful"] == len(good)
    return Report(
        completed=totals["successful"],
        failed=totals["errored"] + totals["incomplete"],
        output_tokens=[r["output_tokens"] for r in good],
        ttft_seconds=[r["time_to_first_token_ms"] / 1000 for r in good] if stream else [],
    )


GENERATORS: dict[str, Callable[..., Report]] = {"aiperf": aiperf, "guidellm": guidellm}


def outcomes(router: str) -> Counter[str]:
    """Requests by outcome, by the router's counters."""
    counted: Counter[str] = Counter()
    for line in get(f"{router}/metrics")[1].decode().splitlines():
        if line.startswith("infini_router_requests_total{"):
            counted[line.partition('outcome="')[2].partition('"')[0]] += int(float(line.rpartition(" ")[2]))
    return counted


def all_counted_as_served(router: str, before: Counter[str]) -> bool:
    """guidellm closes a connection when it has read `[DONE]`, which may be before the last chunk: `client_gone`."""
    new = outcomes(router) - before
    return new["ok"] + new["client_gone"] >= REQUESTS and set(new) <= {"ok", "client_gone"}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("generator", GENERATORS)
def test_every_request_of_a_run_completes(router: str, tmp_path: Path, generator: str, stream: bool) -> None:
    before = outcomes(router)
    report = GENERATORS[generator](router, MODEL, tmp_path, stream=stream)
    assert report.completed == REQUESTS
    assert report.failed == 0
    assert all(0 < n <= OUTPUT_TOKENS for n in report.output_tokens)
    assert len(report.output_tokens) == REQUESTS
    assert all(0 < t < LIMIT_SECONDS for t in report.ttft_seconds)
    try:
        wait_for("the router's count", lambda: all_counted_as_served(router, before), 5)
    except TimeoutError as e:
        raise AssertionError(f"{e}: {outcomes(router) - before}") from e
    assert (outcomes(router) - before)["ok"] >= REQUESTS - 3


@pytest.mark.parametrize("generator", GENERATORS)
def test_streams_that_break_are_counted_as_failed(mortal: str, tmp_path: Path, generator: str) -> None:
    report = GENERATORS[generator](mortal, SIMULATED, tmp_path, stream=True, fault="reset:after=3")
    assert report.completed == 0
    assert report.failed >= REQUESTS
