"""Servers that run already: a llama.cpp server and an embedded engine behind a router without registry."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest

from deployment import INFINI, MODEL, free_ports, get, llama_cpp_server, models_at, running, wait_for

QUESTION: Any = [{"role": "user", "content": "What is a paged cache?"}]


def serves(base: str) -> bool:
    return models_at(base) == [MODEL]


@pytest.fixture(scope="module")
def mixed_router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    logs: Path = tmp_path_factory.mktemp("servers")
    llama, engine, router = free_ports(2), free_ports(2), free_ports()
    bases = [f"http://127.0.0.1:{port}" for port in (llama, engine)]
    address = f"http://127.0.0.1:{router}"
    engine_command = [str(INFINI), "engine", "--host", "127.0.0.1", "--port", str(engine), "--served_model_name", MODEL]
    router_command = [str(INFINI), "router", "--host", "127.0.0.1", "--router-port", str(router)]
    for base, name in zip(bases, ("llama-cpp", "embedded"), strict=True):
        router_command += ["--instance", f"{base},name={name}"]
    with running(llama_cpp_server(llama), logs / "llama.log"), running(engine_command, logs / "engine.log"):
        for base in bases:
            wait_for(base, partial(serves, base), 30)
        with running(router_command, logs / "router.log"):
            try:
                wait_for("router", lambda: b'"healthy_services":"2/2"' in get(f"{address}/health")[1], 30)
                wait_for("the router's list of models", partial(serves, address), 10)
            except TimeoutError as e:
                raise RuntimeError((logs / "router.log").read_text()[-2000:]) from e
            yield address


@pytest.fixture
def mixed(mixed_router: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{mixed_router}/v1", api_key="none", timeout=60) as client:
        yield client


def instance_of(name: str) -> str:
    return name.removesuffix("-server")


def test_the_model_of_both_is_listed_once(mixed: openai.OpenAI) -> None:
    assert [m.id for m in mixed.models.list()] == [MODEL]


def test_chat_is_answered_by_both(mixed: openai.OpenAI) -> None:
    seen: set[str] = set()
    for _ in range(8):
        raw: Any = mixed.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION, max_tokens=8)
        assert raw.parse().choices[0].message.content
        assert raw.parse().usage.completion_tokens <= 8
        seen.add(instance_of(raw.headers["x-infini-instance"]))
    assert seen == {"llama-cpp", "embedded"}


def test_streamed_chat_is_answered_by_both(mixed: openai.OpenAI) -> None:
    seen: set[str] = set()
    for _ in range(8):
        raw: Any = mixed.chat.completions.with_raw_response.create(
            model=MODEL, messages=QUESTION, max_tokens=8, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(raw.parse())
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert chunks[-1].usage.completion_tokens <= 8
        seen.add(instance_of(raw.headers["x-infini-instance"]))
    assert seen == {"llama-cpp", "embedded"}


def test_a_model_nobody_offers_is_an_error(mixed: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        mixed.chat.completions.create(model="no-such-model", messages=QUESTION)
    assert raised.value.code == "model_not_found"
