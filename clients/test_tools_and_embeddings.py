"""The SDKs' helpers for tools, and embeddings, by the embedded engine behind the router."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel, Field

from deployment import (
    BUNDLED_MODEL, INFINI, MODEL, PAGED, free_ports, llama_cpp_server, models_at, running, running_case, wait_for,
)  # fmt: skip
from other_clients import node

TOOL_TEMPLATE = (
    b"{# <tool_call> arguments #}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)
TEXTS = ["A tram stops at the harbour.", "Zürich €", "Nobody remembers who planted the trees. " * 30]


class GetWeather(BaseModel):
    """The weather of a city."""

    city: str = Field(max_length=12)
    unit: Literal["C", "F"]


WEATHER: Any = openai.pydantic_function_tool(GetWeather, name="get_weather")
THIS_ONE: Any = {"type": "function", "function": {"name": "get_weather"}}
QUESTION: Any = [{"role": "user", "content": "How warm is it in Oslo?"}]
ASKED: dict[str, Any] = {
    "model": MODEL, "messages": QUESTION, "tools": [WEATHER], "tool_choice": THIS_ONE, "max_tokens": 200,
}  # fmt: skip


def with_tools(folder: Path) -> Path:
    """The bundled model with a chat template that knows tool calls, as long as its own."""
    model = BUNDLED_MODEL.read_bytes()
    key = b"tokenizer.chat_template"
    at = model.index(key) + len(key) + 4
    length = int.from_bytes(model[at : at + 8], "little")
    assert len(TOOL_TEMPLATE) <= length
    begin = at + 8
    changed = model[:begin] + TOOL_TEMPLATE.ljust(length) + model[begin + length :]
    (folder / "tools.gguf").write_bytes(changed)
    return folder


@pytest.fixture(scope="module")
def tools_router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A router before two engines that call tools and make embeddings."""
    folder = tmp_path_factory.mktemp("tools")
    model = with_tools(tmp_path_factory.mktemp("model"))
    with running_case(folder, MODEL1_DIR=str(model), INFINI_EMBEDDINGS="true") as deployment:
        yield deployment.router


@pytest.fixture
def tools_client(tools_router: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{tools_router}/v1", api_key="none", timeout=60) as made:
        yield made


def test_parse_gives_the_arguments_as_the_tools_own_type(tools_client: openai.OpenAI) -> None:
    answer = tools_client.chat.completions.parse(**ASKED)
    choice: Any = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert call.function.name == "get_weather"
    assert isinstance(call.function.parsed_arguments, GetWeather)
    assert call.function.parsed_arguments == GetWeather.model_validate_json(call.function.arguments)


def test_the_stream_helper_tells_of_the_arguments_piece_by_piece_and_when_they_are_whole(
    tools_client: openai.OpenAI,
) -> None:
    with tools_client.chat.completions.stream(**ASKED) as stream:
        events: list[Any] = list(stream)
        final: Any = stream.get_final_completion()
    pieces = [e for e in events if e.type == "tool_calls.function.arguments.delta"]
    [done] = [e for e in events if e.type == "tool_calls.function.arguments.done"]
    assert len(pieces) > 3
    assert "".join(p.arguments_delta for p in pieces) == done.arguments
    assert {p.name for p in pieces} == {done.name} == {"get_weather"}
    assert isinstance(done.parsed_arguments, GetWeather)
    [call] = final.choices[0].message.tool_calls
    assert final.choices[0].finish_reason == "tool_calls"
    assert call.id.startswith("call_")
    assert call.function.arguments == done.arguments
    assert call.function.parsed_arguments == done.parsed_arguments


def test_a_tools_result_goes_back_to_the_model(tools_client: openai.OpenAI) -> None:
    said: Any = tools_client.chat.completions.parse(**ASKED).choices[0].message
    call = said.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": "12 C"}
    messages: Any = [*QUESTION, said.model_dump(exclude_none=True, exclude={"parsed"}), result]
    answer: Any = tools_client.chat.completions.create(**ASKED | {"messages": messages, "tool_choice": "none", "max_tokens": 8})
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.choices[0].message.tool_calls is None


@pytest.mark.parametrize("kind", ["plain", "streamed"])
def test_the_node_sdk_runs_the_tool_that_the_model_calls(tools_router: str, kind: str) -> None:
    seen = node(tools_router, MODEL, "tools")[kind]
    [arguments] = seen["calls"]
    assert set(arguments) == {"city", "unit"}
    assert arguments["unit"] in ("C", "F")
    assert seen["results"] == [f"12 {arguments['unit']} in {arguments['city']}"]
    assert seen["roles"] == ["user", "assistant", "tool"]


def product(a: list[float], b: list[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def test_embeddings_come_through_the_router(tools_client: openai.OpenAI) -> None:
    raw = tools_client.embeddings.with_raw_response.create(model=MODEL, input=TEXTS)
    assert raw.headers["x-infini-instance"] == f"{PAGED}-server"
    answer = raw.parse()
    assert [d.index for d in answer.data] == [0, 1, 2]
    assert answer.model == MODEL
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 100
    for text, one in zip(TEXTS, answer.data, strict=True):
        assert product(one.embedding, one.embedding) == pytest.approx(1, abs=1e-5)
        floats = tools_client.embeddings.create(model=MODEL, input=text, encoding_format="float").data[0].embedding
        assert floats == pytest.approx(one.embedding, abs=1e-4), "the SDK asks for base64 by itself"


def test_a_wrong_input_of_embeddings_is_a_bad_request(tools_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"input\[1\]: an empty string"):
        tools_client.embeddings.create(model=MODEL, input=["a", ""])
    with pytest.raises(openai.BadRequestError) as raised:
        tools_client.embeddings.create(model=MODEL, input=["a", "word " * 20_000])
    assert raised.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="dimensions: 7"):
        tools_client.embeddings.create(model=MODEL, input="a", dimensions=7)


def test_embeddings_are_those_of_llama_cpps_server_with_mean_pooling(
    tools_client: openai.OpenAI, tmp_path: Path
) -> None:
    port = free_ports()
    base = f"http://127.0.0.1:{port}"
    command = [*llama_cpp_server(port), "--embeddings", "--pooling", "mean"]
    with running(command, tmp_path / "llama.log"), openai.OpenAI(base_url=f"{base}/v1", api_key="none") as llama:
        wait_for(base, partial(lambda b: models_at(b) == [MODEL], base), 60)
        for text in TEXTS:
            ours, theirs = (
                c.embeddings.create(model=MODEL, input=text, encoding_format="float") for c in (tools_client, llama)
            )
            assert ours.usage.prompt_tokens == theirs.usage.prompt_tokens
            assert product(ours.data[0].embedding, theirs.data[0].embedding) > 0.9999, text
