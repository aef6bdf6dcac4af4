"""What real engines answer through the router, beside what they answer directly."""

from __future__ import annotations

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deployment import english, wait_for
from fleet import MODEL, Answer, Fleet, Kind, ask, chat, gauge

CHAT = "/v1/chat/completions"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo"]}}, "required": ["city"]}
HI = chat("Hello, who are you?")
REQUESTS: dict[str, tuple[str, Any]] = {
    "chat": (CHAT, HI),
    "completion": ("/v1/completions", {"model": MODEL, "prompt": "The harbour", "max_tokens": 8, "temperature": 0}),
    "completion of tokens": ("/v1/completions", {"model": MODEL, "prompt": [5, 6, 7, 8], "max_tokens": 4, "temperature": 0}),
    "logprobs": (CHAT, HI | {"logprobs": True, "top_logprobs": 2}),
    "two choices": (CHAT, HI | {"n": 2, "temperature": 0.7, "seed": 7}),
    "stop": (CHAT, HI | {"stop": ["e"]}),
    "json_schema": (CHAT, HI | {"max_tokens": 64, "response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": CITY}}}),
    "tools": (CHAT, HI | {"tools": [WEATHER], "tool_choice": "auto"}),
    "a forced tool": (CHAT, HI | {"max_tokens": 48, "tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}}),
    "tools that are none": (CHAT, HI | {"tools": [{"type": "function"}]}),
    "messages": ("/v1/messages", {"model": MODEL, "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}),
    "count_tokens": ("/v1/messages/count_tokens", {"model": MODEL, "messages": [{"role": "user", "content": "Hello there"}]}),
    "responses": ("/v1/responses", {"model": MODEL, "input": "Hello", "max_output_tokens": 16, "store": False}),
    "embeddings of a chat model": ("/v1/embeddings", {"model": MODEL, "input": "Hello"}),
    "temperature of words": (CHAT, HI | {"temperature": "hot"}),
    "temperature below zero": (CHAT, HI | {"temperature": -3}),
    "no messages": (CHAT, {"model": MODEL}),
    "a role that is none": (CHAT, HI | {"messages": [{"role": "nobody", "content": "x"}]}),
    "tokenize": ("/tokenize", {"model": MODEL, "content": "The old tram", "prompt": "The old tram"}),
    "a route that is none": ("/v1/no-such-thing", {"model": MODEL}),
}
# Of each answer its own: ids, times, how much of the prompt was in the cache.
OF_ONE = {
    "id", "created", "created_at", "completed_at", "timings", "system_fingerprint", "cached_tokens", "prompt_tokens_details",
    "input_tokens_details", "cache_read_input_tokens", "cache_creation_input_tokens", "item_id", "response_id", "metrics",
}  # fmt: skip


def common(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: common(v) for k, v in value.items() if k not in OF_ONE}
    if isinstance(value, list):
        return [common(v) for v in value]
    return value


def shape(value: Any) -> Any:
    """Keys and types, for answers that are drawn by chance."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_both_are_registered_as_what_they_are(fleet: Fleet, kind: Kind) -> None:
    services = fleet.services()
    for name, tokens in (("paged", kind.paged_tokens), ("static", kind.static_tokens)):
        entry = services[f"{name}-server"]
        assert entry["metadata"]["cache_type"] == name
        assert entry["metadata"]["models"] == [MODEL]
        routed = json.loads(ask(fleet.router, "/services").body)["services"]
        mine = next(s for s in routed if s["name"] == f"{name}-server")
        assert mine["metadata"]["cache_type"] == name
        listed = entry["metadata"]["models_list"][0]
        assert tokens in (listed.get("max_model_len"), (listed.get("meta") or {}).get("n_ctx"))


def test_servers_that_run_already_are_known_by_what_they_say(standing: Fleet) -> None:
    """No registry, no babysitter: models come from their own lists, and so does what they hold (below)."""
    known = {s["name"]: s for s in json.loads(ask(standing.router, "/services").body)["services"]}
    assert set(known) == {"paged", "static"}
    for name, service in known.items():
        assert (service["state"], service["metadata"]["cache_type"]) == ("routable", name)
        assert service["models"] == [MODEL]
    listed = {m["id"] for m in ask(standing.router, "/v1/models").json()["data"]}
    assert listed == {m["id"] for m in ask(standing.paged, "/v1/models").json()["data"]}


@pytest.mark.parametrize("what", REQUESTS)
def test_it_is_answered_as_directly(routed: Fleet, what: str) -> None:
    path, body = REQUESTS[what]
    # once before, so that what an engine compiles at its first request is no difference
    ask(routed.paged, path, body)
    direct = ask(routed.paged, path, body)
    through = ask(routed.router, path, body)
    assert through.status == direct.status, through.body
    assert through.headers.get("content-type") == direct.headers.get("content-type")
    if not direct.headers.get("content-type", "").startswith("application/json"):
        assert through.body == direct.body
    elif what in ("two choices", "messages", "responses", "a forced tool"):
        assert shape(common(through.json())) == shape(common(direct.json()))
    else:
        assert common(through.json()) == common(direct.json())


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses", "/v1/completions"])
def test_a_stream_comes_whole(routed: Fleet, path: str) -> None:
    body: dict[str, Any] = {"model": MODEL, "stream": True, "max_tokens": 8}
    if path == "/v1/responses":
        body |= {"input": "Hello", "max_output_tokens": 16}
        del body["max_tokens"]
    elif path == "/v1/completions":
        body |= {"prompt": "The harbour"}
    else:
        body |= {"messages": [{"role": "user", "content": "Hello"}]}
    if path == CHAT:
        body["stream_options"] = {"include_usage": True}
    direct, through = ask(routed.paged, path, body), ask(routed.router, path, body)
    assert through.status == direct.status == 200, through.body
    assert through.headers["content-type"] == direct.headers["content-type"]
    last = through.events()[-1]
    if path == "/v1/responses":
        assert json.loads(last)["type"] in ("response.completed", "response.incomplete")
    elif path == "/v1/messages":
        assert json.loads(last)["type"] == "message_stop"
    else:
        assert last == "[DONE]"
    if path == CHAT:
        usage = json.loads(through.events()[-2])["usage"]
        assert 1 <= usage["completion_tokens"] <= 8


def test_a_schema_holds(routed: Fleet) -> None:
    path, body = REQUESTS["json_schema"]
    choice = ask(routed.router, path, body).json()["choices"][0]
    said = choice["message"]["content"]
    if choice["finish_reason"] == "length":
        # random weights may like blanks
        assert "".join(said.split()) in '{"city":"Oslo"}', said
    else:
        assert json.loads(said) == {"city": "Oslo"}


def test_a_prompt_that_nobody_can_hold_is_400(routed: Fleet) -> None:
    answer = ask(routed.router, CHAT, chat(english(600_000)))
    assert answer.status == 400
    assert "error" in answer.json()


def test_size_decides_in_bytes(routed: Fleet) -> None:
    # 51,200 bytes of JSON are the paged one's still; prompts of that size fit no small slot, so the texts are of what both can hold
    for size, name in ((2_000, "paged"), (30_000, "paged"), (60_000, "static")):
        answer = ask(routed.router, CHAT, chat(english(size), max_tokens=1))
        assert answer.status == 200, answer.body
        assert answer.instance == name
        if size == 60_000:
            assert answer.json()["usage"]["prompt_tokens"] < routed.kind.static_tokens


def test_one_that_cannot_hold_it_is_passed_over(routed: Fleet, kind: Kind) -> None:
    """Short chats do not spoil what is known of long texts."""
    text = english(47_000)
    tokens = ask(routed.static, CHAT, chat(text, max_tokens=1)).json()["usage"]["prompt_tokens"]
    expected = "static" if tokens > kind.paged_tokens else "paged"
    for _ in range(2):
        answer = ask(routed.router, CHAT, chat(text, max_tokens=1))
        assert answer.status == 200, answer.body
        assert answer.instance == expected
        for _ in range(20):
            assert ask(routed.router, CHAT, HI | {"max_tokens": 1}).status == 200


def stream_of(base: str, body: dict[str, Any]) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=120)
    connection.request("POST", CHAT, json.dumps(body).encode(), {"content-type": "application/json"})
    return connection, connection.getresponse()


def test_a_client_that_leaves_frees_its_place(routed: Fleet, kind: Kind) -> None:
    body = chat("Tell me a very long story.", stream=True, max_tokens=4000, ignore_eos=True)
    connection, answer = stream_of(routed.router, body)
    assert answer.status == 200
    assert answer.read(10)
    assert gauge(routed.paged, kind.running) == 1
    connection.close()
    wait_for("the engine's gauge", lambda: gauge(routed.paged, kind.running) == 0, 10)


def test_thirty_streams_at_once(routed: Fleet, kind: Kind) -> None:
    start = threading.Barrier(30)

    def one(n: int) -> Answer:
        start.wait()
        return ask(routed.router, CHAT, chat(f"Number {n}.", stream=True, max_tokens=20, ignore_eos=True), seconds=300)

    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(one, range(30)))
    assert [a.status for a in answers] == [200] * 30
    assert all(a.events()[-1] == "[DONE]" for a in answers)
    wait_for("the engine's gauge", lambda: gauge(routed.paged, kind.running) == 0, 10)


def test_the_request_id_goes_through(routed: Fleet) -> None:
    connection = http.client.HTTPConnection(routed.router.removeprefix("http://"), timeout=60)
    connection.request("POST", CHAT, json.dumps(HI).encode(), {"content-type": "application/json", "x-request-id": "mine-17"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.getheader("x-request-id") == "mine-17"
