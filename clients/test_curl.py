"""curl against the router: the command that README shows, plain and as a stream."""

from __future__ import annotations

import json
import subprocess

import pytest

from deployment import MODEL, PAGED, STATIC, english

TIMING = "\n%{http_code} %{time_starttransfer} %{time_total}"


def curl(*arguments: str, body: str | None = None) -> str:
    command = ["curl", "-sS", "--max-time", "60", "--noproxy", "*", *arguments]
    if body is not None:
        command += ["-H", "content-type: application/json", "-d", "@-"]
    done = subprocess.run(command, input=body, capture_output=True, text=True, timeout=70, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr}"
    return done.stdout


def chat(text: str, **more: object) -> str:
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": text}], **more})


@pytest.mark.parametrize(("text", "instance"), [("Hello", PAGED), (english(60_000), STATIC)])
def test_the_answers_headers_say_where_it_went(router: str, text: str, instance: str) -> None:
    head, _, body = curl("-i", f"{router}/v1/chat/completions", body=chat(text, max_tokens=8)).rpartition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert f"x-infini-instance: {instance}-server" in head
    assert json.loads(body)["usage"]["completion_tokens"] > 0


def test_a_stream_arrives_piece_by_piece(router: str) -> None:
    body = chat("Tell me a story.", max_tokens=200, stream=True, ignore_eos=True)
    printed, _, timing = curl("-N", "-w", TIMING, f"{router}/v1/chat/completions", body=body).rpartition("\n")
    status, first_seconds, all_seconds = timing.split()
    assert status == "200"
    assert float(first_seconds) < float(all_seconds)
    events = printed.removesuffix("\n\n").split("\n\n")
    assert all(e.startswith("data: ") and "\n" not in e for e in events)
    assert events[-1] == "data: [DONE]"
    chunks = [json.loads(e.removeprefix("data: ")) for e in events[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]).strip()
    assert "\r" not in printed


def test_an_error_has_a_reason_phrase_and_a_request_id(router: str) -> None:
    head, _, body = curl("-i", f"{router}/v1/chat/completions", body="{").rpartition("\n\n")
    assert head.startswith("HTTP/1.1 400 Bad Request")
    assert "x-request-id: " in head.lower()
    assert json.loads(body)["error"]["message"]


def test_a_body_in_pieces_is_taken(router: str) -> None:
    answer = curl("-H", "Transfer-Encoding: chunked", f"{router}/v1/chat/completions", body=chat("Hello", max_tokens=4))
    assert json.loads(answer)["choices"][0]["message"]["content"]


def test_an_answer_is_not_compressed_unasked(router: str) -> None:
    head = curl("-i", "-H", "Accept-Encoding: gzip", f"{router}/v1/chat/completions", body=chat("Hello", max_tokens=4))
    assert "content-encoding" not in head.lower()
