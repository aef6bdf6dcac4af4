"""OpenAI's Python SDK against the router."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import openai
import pytest

from deployment import MODEL, PAGED, STATIC, english

QUESTION: Any = [{"role": "user", "content": "What is a paged cache?"}]


def ask(client: openai.OpenAI, text: str, **options: Any) -> Any:
    """The SDK's raw response: headers beside the parsed answer."""
    return client.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": text}], **options
    )


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [m.id for m in client.models.list()] == [MODEL]


def test_a_small_chat_is_answered_by_the_paged_instance(client: openai.OpenAI) -> None:
    raw = ask(client, "What is a paged cache?", max_tokens=24)
    answer = raw.parse()
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content.strip()
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert 0 < answer.usage.completion_tokens <= 24
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert raw.headers["x-infini-pool"] == "paged"
    assert raw.headers["x-infini-instance"] == f"{PAGED}-server"
    assert raw.headers["x-infini-reason"] == "size"
    assert raw.headers["x-request-id"]


def test_a_large_chat_is_answered_by_the_static_instance(client: openai.OpenAI) -> None:
    raw = ask(client, english(60_000), max_tokens=8)
    assert raw.headers["x-infini-pool"] == "static"
    assert raw.headers["x-infini-instance"] == f"{STATIC}-server"
    assert int(raw.headers["x-infini-size"]) > int(raw.headers["x-infini-threshold"])
    assert raw.parse().usage.prompt_tokens > 5_000


def test_a_streamed_chat_ends_with_its_usage(client: openai.OpenAI) -> None:
    stream: Any = client.chat.completions.create(
        model=MODEL, messages=QUESTION, max_tokens=24, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.strip()
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")
    assert chunks[-1].choices == []
    assert 0 < chunks[-1].usage.completion_tokens <= 24
    assert sum(1 for c in chunks if c.usage is not None) == 1


def test_streamed_and_plain_answers_agree(client: openai.OpenAI) -> None:
    options: dict[str, Any] = {"model": MODEL, "messages": QUESTION, "max_tokens": 16, "temperature": 0, "seed": 7}
    plain = client.chat.completions.create(**options).choices[0].message.content
    chunks: Any = client.chat.completions.create(**options, stream=True)
    streamed = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert streamed == plain


def test_content_parts_and_unknown_fields_are_accepted(client: openai.OpenAI) -> None:
    parts: Any = [{"type": "text", "text": "What is a"}, {"type": "text", "text": " paged cache?"}]
    answer: Any = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}],
        max_completion_tokens=8,
        extra_body={"a_field_nobody_knows": [1, {"x": None}]},
    )
    assert answer.choices[0].message.content


def test_a_plain_completion_is_answered(client: openai.OpenAI) -> None:
    answer: Any = client.completions.create(model=MODEL, prompt="The paged cache", max_tokens=8)
    assert answer.choices[0].text
    assert answer.usage.completion_tokens <= 8


def test_the_request_id_of_the_client_is_kept(client: openai.OpenAI) -> None:
    raw = ask(client, "Hello", max_tokens=2, extra_headers={"X-Request-ID": "from-the-client-1"})
    assert raw.headers["x-request-id"] == "from-the-client-1"


def counting_client(router: str, sent: list[str]) -> openai.OpenAI:
    hooks = {"request": [lambda request: sent.append(str(request.url))]}
    http = openai.DefaultHttpxClient(event_hooks=hooks)
    return openai.OpenAI(base_url=f"{router}/v1", api_key="none", timeout=60, http_client=http)


def test_a_model_nobody_offers_is_an_error_at_once(router: str) -> None:
    sent: list[str] = []
    with counting_client(router, sent) as client, pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="no-such-model", messages=QUESTION)
    error = raised.value
    assert error.status_code == 404
    assert error.code == "model_not_found"
    assert error.type
    assert "no-such-model" in error.message
    assert MODEL in error.message
    assert error.response.headers["x-should-retry"] == "false"
    assert error.request_id
    assert len(sent) == 1


def test_embeddings_of_a_model_nobody_offers_are_an_error_at_once(router: str) -> None:
    sent: list[str] = []
    with counting_client(router, sent) as client, pytest.raises(openai.NotFoundError) as raised:
        client.embeddings.create(model="no-such-embedder", input="text")
    assert raised.value.code == "model_not_found"
    assert len(sent) == 1


def test_embeddings_of_a_chat_model_are_a_client_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        client.embeddings.create(model=MODEL, input="text")
    assert raised.value.status_code in (400, 404, 405, 501)


def test_a_prompt_that_fits_nowhere_is_a_context_length_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, english(2_000_000), max_tokens=4)
    assert raised.value.code == "context_length_exceeded"


def test_a_malformed_request_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model=MODEL, messages=[])
    assert raised.value.message


def test_many_at_once_are_all_answered(router: str) -> None:
    async def one(client: openai.AsyncOpenAI, number: int) -> str:
        stream: Any = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": f"Tell me about number {number}."}],
            max_tokens=8,
            stream=True,
        )
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{router}/v1", api_key="none", timeout=60) as client:
            return await asyncio.gather(*(one(client, n) for n in range(12)))

    answers = asyncio.run(all_of_them())
    assert len(answers) == 12
    assert all(answers)


def test_a_stream_that_the_client_leaves_frees_the_instance(client: openai.OpenAI) -> None:
    for _ in range(12):
        stream: Any = client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=2000, stream=True)
        next(iter(stream))
        stream.close()
    start = time.monotonic()
    assert ask(client, "Hello", max_tokens=2).parse().choices
    assert time.monotonic() - start <= 5
