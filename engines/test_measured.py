"""What the product itself says of real engines: bench, validate, drain, sizes in tokens; and `infini up` on llama.cpp's server."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployment import BUNDLED_MODEL, INFINI, english, free_ports, get, run, running, wait_for
import fleet as fleets
from fleet import MODEL, Answer, Fleet, Kind, ask, chat, gauge, vllm_folder, vllm_model

CHAT = "/v1/chat/completions"


def infini(*words: str, seconds: float = 300, **environment: str) -> Any:
    return run([str(INFINI), *words], os.environ | environment, seconds)


def test_validate_is_green(fleet: Fleet) -> None:
    ports = ["--registry-port", fleet.registry.rsplit(":", 1)[1], "--router-port", fleet.router.rsplit(":", 1)[1]]
    said = infini("validate", "127.0.0.1", *ports)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("through", ["router", "engine"])
def test_bench_gets_whole_answers(fleet: Fleet, through: str, tmp_path: Path) -> None:
    base = fleet.router if through == "router" else fleet.paged
    said = infini(
        "bench", "--url", base, "--model", MODEL, "--dataset-name", "random", "--random-input-len", "100", "--random-output-len", "20",
        "--num-prompts", "30", "--request-rate", "3", "--ignore-eos", "--seed", "7", "--save-result", "--result-dir", str(tmp_path),
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    result = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert result["completed"] == 30
    assert result["total_output_tokens"] == 600


def test_the_engines_gauges_are_read_by_their_names(fleet: Fleet, kind: Kind, tmp_path: Path) -> None:
    """Six at a time at an instance with room for four or more: its own gauges tell so, through the router's list of instances."""
    said = infini(
        "bench", "--url", fleet.router, "--model", MODEL, "--dataset-name", "random", "--random-input-len", "50", "--random-output-len", "200",
        "--num-prompts", "18", "--max-concurrency", "6", "--ignore-eos", "--gauges-interval", "0.1", "--save-result", "--result-dir", str(tmp_path),
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    instances = json.loads(next(tmp_path.glob("*.json")).read_text())["engines"]["instances"]
    assert set(instances) == {"paged-server", "static-server"}
    paged = instances["paged-server"]
    assert paged["engine"] == {"llama.cpp": "llamacpp"}.get(kind.name, kind.name)
    assert 2 <= max(paged["running"]) <= 6
    assert max(instances["static-server"]["running"]) == 0
    if kind.name == "vllm":
        assert 0 < max(paged["kv_usage"]) <= 1


def test_vllms_bench_measures_through_the_router_as_directly(fleet: Fleet, tmp_path: Path) -> None:
    """The same 30 requests twice each way: all answered, with the same tokens in and out. Times are printed, not judged."""
    seen = []
    for turn, base in enumerate((fleet.paged, fleet.router, fleet.router, fleet.paged)):
        said = run(
            [
                str(vllm_folder() / "bin" / "vllm"), "bench", "serve", "--backend", "openai-chat", "--endpoint", "/v1/chat/completions",
                "--base-url", base, "--dataset-name", "random", "--model", MODEL, "--tokenizer", str(vllm_model()),
                "--random-input-len", "100", "--random-output-len", "20", "--num-prompts", "30", "--request-rate", "3", "--ignore-eos",
                "--seed", "7", "--save-result", "--result-dir", str(tmp_path), "--result-filename", f"{turn}.json",
            ],
            os.environ | fleets.KINDS["vllm"].environment(), 600,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout + said.stderr
        seen.append(json.loads((tmp_path / f"{turn}.json").read_text()))
        print({k: round(seen[-1][k], 1) for k in ("median_ttft_ms", "median_tpot_ms", "p99_ttft_ms")}, base == fleet.router)
    assert [s["completed"] for s in seen] == [30] * 4
    assert {(s["total_input_tokens"], s["total_output_tokens"]) for s in seen} == {(seen[0]["total_input_tokens"], 600)}


@pytest.fixture(scope="session")
def by_tokens(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second router of the fleet that decides by tokens."""
    port = free_ports()
    command = [
        str(INFINI), "router", "--host", "127.0.0.1", "--router-port", str(port), "--registry-url", fleet.registry,
        "--registry-sync-interval", "1", "--size-metric", "tokens", "--threshold", "4000",
    ]  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    with running(command, tmp_path_factory.mktemp("tokens") / "router.log"):
        wait_for(base, lambda: b'"healthy_services":"2/2"' in get(f"{base}/health")[1], 60)
        yield base


def test_sizes_in_tokens_are_near_the_engines_own(by_tokens: str) -> None:
    for n in range(20):
        assert ask(by_tokens, CHAT, chat(f"{n}: {english(3000)}", max_tokens=1)).status == 200
    for length in (2_000, 8_000, 30_000):
        answer = ask(by_tokens, CHAT, chat(english(length), max_tokens=1))
        assert answer.status == 200, answer.body
        real = answer.json()["usage"]["prompt_tokens"]
        assert real / 1.3 < int(answer.headers["x-infini-size"]) < real * 1.3
        if real < 3000 or real > 5300:
            assert answer.instance == ("paged" if real <= 4000 else "static")


def test_a_drain_ends_what_runs_and_sends_nothing_new(fleet: Fleet, kind: Kind) -> None:
    seen: list[Answer] = []
    # So long that a look at the gauge does not miss it, and that it runs still when the drain comes, however busy the machine is.
    body = chat("Tell me a long story.", stream=True, max_tokens=2000, ignore_eos=True)
    thread = threading.Thread(target=lambda: seen.append(ask(fleet.router, CHAT, body)))
    thread.start()
    wait_for("a stream under way", lambda: gauge(fleet.paged, kind.running) >= 1, 60)
    registry = ["--registry-url", fleet.registry]
    try:
        assert infini("drain", "paged", *registry).returncode == 0
        wait_for("the router's notice", lambda: fleet.routable() == 1, 20)
        answer = ask(fleet.router, CHAT, chat("Hello"))
        assert (answer.status, answer.instance) == (200, "static")
        thread.join(300)
        assert seen[0].events()[-1] == "[DONE]"
    finally:
        assert infini("drain", "paged", "--undo", *registry).returncode == 0
        fleet.whole()


def test_up_serves_with_llama_cpps_own_server(tmp_path: Path) -> None:
    """Its Python package is the one that these tests run with."""
    first = free_ports(6)
    ports = ["--registry-port", str(first), "--router-port", str(first + 1), "--paged-port", str(first + 2), "--static-port", str(first + 4)]
    environment = {
        "XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PYTHON": sys.executable, "INFINI_LLAMA_SERVER": "",
        "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    try:
        up = infini("up", "--detach", "--demo", "--engine", "llama.cpp", "--model", str(BUNDLED_MODEL), *ports, **environment)
        assert up.returncode == 0, up.stdout + up.stderr
        assert "llama_cpp_server.py" in up.stdout
        base = f"http://127.0.0.1:{first + 1}"
        answer = ask(base, CHAT, chat("Hello", model="infini-tiny"))
        assert (answer.status, answer.headers["x-infini-pool"]) == (200, "paged"), answer.body
        answer = ask(base, CHAT, chat(english(60_000), model="infini-tiny", max_tokens=2))
        assert (answer.status, answer.headers["x-infini-pool"]) == (200, "static"), answer.body
    finally:
        assert infini("down", "--router-port", str(first + 1), **environment).returncode == 0
