"""OpenAI's Node SDK and LangChain4j against the router: streamed and plain, small and large, refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployment import MODEL, STATIC
from other_clients import langchain4j, node

RUNS = 8
CLIENTS: dict[str, Callable[..., dict[str, Any]]] = {"openai-node": node, "langchain4j": langchain4j}


@pytest.fixture(scope="module", params=CLIENTS)
def seen(request: pytest.FixtureRequest, router: str) -> dict[str, Any]:
    return CLIENTS[request.param](router, MODEL, "runs")


def test_the_model_is_listed(seen: dict[str, Any]) -> None:
    assert seen["models"] == [MODEL]


@pytest.mark.parametrize("kind", ["plain", "streamed"])
def test_all_chats_are_answered_with_text_and_usage(seen: dict[str, Any], kind: str) -> None:
    answers = seen[kind]
    assert len(answers) == RUNS
    for answer in answers:
        assert answer["text"].strip()
        assert answer["finish"].lower() in ("stop", "length")
        assert 0 < answer["tokens"] <= 16
        assert answer.get("error") is None


def test_streamed_and_plain_answers_agree(seen: dict[str, Any]) -> None:
    assert [a["text"] for a in seen["streamed"]] == [a["text"] for a in seen["plain"]]


def test_a_large_chat_is_streamed_too(seen: dict[str, Any]) -> None:
    assert seen["large"]["text"].strip()
    assert seen["large"]["tokens"] > 0
    assert seen["large"].get("instance", f"{STATIC}-server") == f"{STATIC}-server"


def test_a_model_nobody_offers_is_an_error_with_the_models_on_offer(seen: dict[str, Any]) -> None:
    refused = seen["refused"]
    assert "no-such-model" in refused["message"]
    assert MODEL in refused["message"]
    assert refused["name"] in ("NotFoundError", "ModelNotFoundException")


def test_the_node_sdk_reads_the_errors_fields_and_does_not_retry(router: str) -> None:
    refused = node(router, MODEL, "runs")["refused"]
    assert refused["status"] == 404
    assert refused["code"] == "model_not_found"
    assert refused["type"]
    assert refused["request_id"]
    assert refused["attempts"] == 1
