"""Embeddings by a server that makes them, beside a chat model behind one router."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deployment import BUNDLED_MODEL, INFINI, LLAMA_CPP_SERVER, free_ports, get, running, wait_for
from fleet import KINDS, MODEL, Answer, ask, chat

ROUTE = "/v1/embeddings"
EMBEDDER = "embedder"


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The router, and the embedder itself: llama.cpp's server with --embeddings, under a babysitter as a chat model is."""
    folder: Path = tmp_path_factory.mktemp("embeddings")
    first = free_ports(6)
    registry, router, chats, embedder = first, first + 1, first + 2, first + 4
    words = [str(LLAMA_CPP_SERVER), "-m", str(BUNDLED_MODEL), "--alias", EMBEDDER, "--port", str(embedder), "-c", "4096"]
    words += ["--parallel", "2", "--threads", "1", "--metrics", "--embeddings", "--pooling", "mean"]
    (folder / "embedder.toml").write_text(
        f'name = "{EMBEDDER}"\nhost = "127.0.0.1"\nport = {embedder}\nregistry_url = "http://127.0.0.1:{registry}"\n'
        f'[backend]\ntype = "command"\ncommand = {json.dumps(sys.executable)}\nargs = {json.dumps(words)}\n'
    )
    (folder / "chats.toml").write_text(KINDS["llama.cpp"].toml("chats", chats, registry, "paged"))
    at = f"http://127.0.0.1:{router}"
    commands = {
        "registry": ["registry", "--host", "127.0.0.1", "--port", str(registry), "--data-dir", ""],
        "router": ["router", "--host", "127.0.0.1", "--router-port", str(router), "--registry-url", f"http://127.0.0.1:{registry}",
                   "--registry-sync-interval", "1"],
        "embedder": ["babysitter", "--config-file", str(folder / "embedder.toml")],
        "chats": ["babysitter", "--config-file", str(folder / "chats.toml")],
    }  # fmt: skip
    with ExitStack() as programs:
        for name, command in commands.items():
            programs.enter_context(running([str(INFINI), *command], folder / f"{name}.log", 60))
        wait_for("both models", lambda: offered(at) == [MODEL, EMBEDDER], 90)
        yield at, f"http://127.0.0.1:{embedder}"


def offered(router: str) -> list[str]:
    status, body = get(f"{router}/v1/models")
    return sorted((m["id"] for m in json.loads(body)["data"]), reverse=True) if status == 200 else []


def vectors(answer: Answer) -> list[list[float]]:
    assert answer.status == 200, answer.body
    data = answer.json()["data"]
    assert [d["index"] for d in data] == list(range(len(data)))
    return [d["embedding"] for d in data]


@pytest.mark.parametrize(
    "wanted",
    [
        {"input": "The harbour in the evening"},
        {"input": ["The harbour", "in the evening", "The harbour"]},
        {"input": [[5, 6, 7, 8], [9, 10]]},
        {"input": "The harbour", "encoding_format": "base64"},
        {"input": ""},
        {},
    ],
)
def test_they_are_those_of_the_server(bases: tuple[str, str], wanted: dict[str, Any]) -> None:
    router, embedder = bases
    body = {"model": EMBEDDER, **wanted}
    direct, through = ask(embedder, ROUTE, body), ask(router, ROUTE, body)
    assert (through.status, through.json()) == (direct.status, direct.json())
    assert through.status == 200 or "error" in through.json()
    if through.status == 200:
        assert through.instance == EMBEDDER


def test_each_text_has_its_own(bases: tuple[str, str]) -> None:
    first, second, again = vectors(ask(bases[0], ROUTE, {"model": EMBEDDER, "input": ["The harbour", "in the evening", "The harbour"]}))
    assert max(abs(a - b) for a, b in zip(first, again, strict=True)) < 1e-3
    assert max(abs(a - b) for a, b in zip(first, second, strict=True)) > 1e-2
    assert abs(sum(v * v for v in first) - 1) < 1e-3


def test_chats_go_to_the_other_model_meanwhile(bases: tuple[str, str]) -> None:
    answer = ask(bases[0], "/v1/chat/completions", chat("Hello"))
    assert (answer.status, answer.instance) == (200, "chats")
    there = ask(bases[0], ROUTE, {"model": MODEL, "input": "Hello"})
    assert there.status >= 400
    assert "error" in there.json()
