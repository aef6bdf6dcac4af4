"""An instance that dies while it answers: every client must report an error, whatever it showed before."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import openai
import pytest

from deployment import get
from mortal import SIMULATED
from other_clients import langchain4j, node

MID_STREAM = ["reset:after=3", "truncate:after=3"]
BEFORE_HEAD = ["reset-before-head", "close-before-head", "status:code=503"]
FAULTS = MID_STREAM + BEFORE_HEAD


def python(base: str, *arguments: str) -> dict[str, Any]:
    """OpenAI's Python SDK: what it saw for each fault."""
    seen: dict[str, Any] = {}
    with openai.OpenAI(base_url=f"{base}/v1", api_key="none", timeout=60, max_retries=0) as client:
        for fault in arguments[2:]:
            seen[fault] = {"text": "", "error": None}
            try:
                stream: Any = client.chat.completions.create(
                    model=SIMULATED,
                    messages=[{"role": "user", "content": "Hello"}],
                    stream=True,
                    extra_headers={"x-simulate-fault": fault},
                )
                for chunk in stream:
                    seen[fault]["text"] += chunk.choices[0].delta.content or ""
            except openai.APIError as e:
                seen[fault]["error"] = {"name": type(e).__name__, "code": e.code}
    return seen


def curl(base: str, *arguments: str) -> dict[str, Any]:
    """curl -N: what it printed and whether it failed for each fault."""
    seen: dict[str, Any] = {}
    body = json.dumps({"model": SIMULATED, "stream": True, "messages": [{"role": "user", "content": "Hello"}]})
    for fault in arguments[2:]:
        command = ["curl", "-sSN", "--fail", "--max-time", "30", "--noproxy", "*", f"{base}/v1/chat/completions"]
        headers = ["-H", "content-type: application/json", "-H", f"x-simulate-fault: {fault}"]
        done = subprocess.run([*command, *headers, "-d", body], capture_output=True, text=True, timeout=40, check=False)
        error = {"name": f"exit code {done.returncode}"} if done.returncode else None
        seen[fault] = {"text": done.stdout, "error": error}
    return seen


CLIENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "openai-python": python,
    "openai-node": node,
    "langchain4j": langchain4j,
    "curl": curl,
}


@pytest.fixture(scope="module", params=CLIENTS)
def seen(request: pytest.FixtureRequest, mortal: str) -> dict[str, Any]:
    return CLIENTS[request.param](mortal, SIMULATED, "broken", *FAULTS)


@pytest.mark.parametrize("fault", MID_STREAM)
def test_a_stream_that_breaks_is_an_error(seen: dict[str, Any], fault: str) -> None:
    assert seen[fault]["error"] is not None


@pytest.mark.parametrize("fault", MID_STREAM)
@pytest.mark.parametrize("client", [python, node, curl])
def test_what_came_before_the_break_is_seen(mortal: str, client: Callable[..., dict[str, Any]], fault: str) -> None:
    """Not so with LangChain4j: the JDK's client may drop lines that it has read when the connection ends early."""
    assert "Hello" in client(mortal, SIMULATED, "broken", fault)[fault]["text"]


@pytest.mark.parametrize("fault", BEFORE_HEAD)
def test_an_instance_that_does_not_answer_is_an_error(seen: dict[str, Any], fault: str) -> None:
    assert "Hello" not in seen[fault]["text"]
    assert seen[fault]["error"] is not None


@pytest.mark.parametrize("fault", MID_STREAM)
@pytest.mark.parametrize("sdk", [python, node])
def test_the_sdks_read_the_code_of_the_last_event(mortal: str, sdk: Callable[..., dict[str, Any]], fault: str) -> None:
    assert sdk(mortal, SIMULATED, "broken", fault)[fault]["error"]["code"] == "stream_interrupted"


@pytest.mark.parametrize("fault", MID_STREAM)
def test_curl_prints_the_error_event_and_misses_the_last_chunk(mortal: str, fault: str) -> None:
    broken = curl(mortal, SIMULATED, "broken", fault)[fault]
    last = [line for line in broken["text"].splitlines() if line.startswith("data: ")][-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "stream_interrupted"
    assert broken["error"] == {"name": "exit code 18"}


def test_langchain4j_offers_h2c_and_the_router_keeps_the_offer_to_itself(instance: str, mortal: str) -> None:
    def names() -> set[str]:
        return {h["name"].lower() for h in json.loads(get(f"{instance}/stats")[1])["last"]["headers"]}

    langchain4j(instance, SIMULATED, "broken", "slow-drip:delay=0")
    assert {"upgrade", "http2-settings"} <= names()
    through = langchain4j(mortal, SIMULATED, "broken", "slow-drip:delay=0")
    assert through["slow-drip:delay=0"]["error"] is None
    assert not {"upgrade", "http2-settings"} & names()
