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
from fleet import MODEL, Answer, Fleet, Kind, ask, chat, gauge

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
    body = chat("Tell me a long story.", stream=True, max_tokens=300, ignore_eos=True)
    thread = threading.Thread(target=lambda: seen.append(ask(fleet.router, CHAT, body)))
    thread.start()
    wait_for("a stream under way", lambda: gauge(fleet.paged, kind.running) >= 1, 60)
    registry = ["--registry-url", fleet.registry]
    try:
        assert infini("drain", "paged", *registry).returncode == 0
        wait_for("the router's notice", lambda: fleet.routable() == 1, 20)
        answer = ask(fleet.router, CHAT, chat("Hello"))
        assert (answer.status, answer.instance) == (200, "static")
        thread.join(120)
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
