"""The engine and llama.cpp's own server on the same GGUF file: the same prompts, the same greedy answers."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deployment import HOME, INFINI, MODEL, free_ports, llama_cpp_server, models_at, run, running, wait_for

CHATS: list[list[dict[str, str]]] = [
    [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "What is a paged cache?"}],
    [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "Zürich? 😀"}],
    [{"role": "system", "content": ""}, {"role": "user", "content": "  spaces \n and lines\n\n"}],
    [{"role": "user", "content": "{}"}, {"role": "tool", "content": '{"temperature": 21}'}, {"role": "user", "content": "So?"}],
]


def serves(base: str) -> bool:
    return models_at(base) == [MODEL]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The addresses of the engine and of llama.cpp's server."""
    logs: Path = tmp_path_factory.mktemp("agree")
    engine, llama = free_ports(), free_ports()
    bases = (f"http://127.0.0.1:{engine}", f"http://127.0.0.1:{llama}")
    command = [str(INFINI), "engine", "--port", str(engine), "--served_model_name", MODEL]
    with running(command, logs / "engine.log"), running(llama_cpp_server(llama), logs / "llama.log"):
        for base in bases:
            wait_for(base, partial(serves, base), 60)
        yield bases


def test_greedy_answers_to_the_questions_are_the_same(servers: tuple[str, str]) -> None:
    engine, llama = servers
    command = [sys.executable, str(HOME / "model" / "evaluate.py"), "--url", engine, "--same-as", llama, "--model", MODEL]
    done = run(command, {"PATH": "/usr/bin:/bin"}, 300)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", range(len(CHATS)))
def test_the_chat_template_is_rendered_the_same(servers: tuple[str, str], number: int) -> None:
    counts = []
    for base in servers:
        body: dict[str, Any] = {"model": MODEL, "messages": CHATS[number], "max_tokens": 1, "temperature": 0}
        request = urllib.request.Request(
            f"{base}/v1/chat/completions", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            counts.append(json.load(answer)["usage"]["prompt_tokens"])
    assert counts[0] == counts[1]
