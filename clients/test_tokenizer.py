"""model/tokenizer gives the same ids in Hugging Face's library as the engine does, there and back."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from tokenizers import Tokenizer

from deployment import HOME, INFINI, MODEL, free_ports, models_at, running, wait_for

TEXTS = 1000
EDGES = [
    "", " ", "  ", "\n", "\r\n", "\t", " a", "a ", "  a  b  ", "\u2581", "a\u2581b", "\u2581\u2581 \u2581",
    "\u00a0", "\u200b\u200d", "\ufeff", "\ufffd", "e\u0301", "\u00e9", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\x00", "a\x00b", "\x07\x1b[0m", "<s>", "</s>", "<unk>", "<0x41>", "<|im_start|>", "<|im_end|>user", "<|endoftext|>",
    "A" * 60_000, " " * 1000, "\n" * 333, "ab" * 500, "9" * 129, "=" * 65, "-" * 63,
]
CODE = [
    "def f(x):\n    return x * 2\n", "for (int i = 0; i < n; i++) { a[i] += 1; }", "SELECT * FROM t WHERE a <> 'b';",
    "curl -s http://127.0.0.1:8000/v1/models | python3 -m json.tool", '{"a": [1, 2.5, null], "b": {"c": "\\n"}}',
]
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA), (0x3040, 0x30FF),
          (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1FAFF), (0x2500, 0x25FF), (0x10FFF0, 0x10FFFF)]


def texts() -> list[str]:
    """Edge cases, the committed samples and questions, code, and seeded random text of every kind."""
    draw = random.Random(20261122)
    samples = [s["text"] for s in json.loads((HOME / "model/tokenizer/samples.json").read_text(encoding="utf-8"))]
    questions = [q["question"] for q in json.loads((HOME / "model/questions.json").read_text(encoding="utf-8"))]
    pages = [p.read_text(encoding="utf-8") for p in sorted((HOME / "docs").glob("*.md"))]
    sentences = [line for page in pages for line in page.splitlines() if line.strip()]
    every = EDGES + CODE + samples + questions
    while len(every) < TEXTS:
        kind = draw.randrange(6)
        if kind == 0:
            every.append("".join(chr(draw.randint(*draw.choice(RANGES))) for _ in range(draw.randint(1, 60))))
        elif kind == 1:
            low, high = draw.choice(RANGES)
            every.append("".join(chr(draw.randint(low, high)) for _ in range(draw.randint(1, 60))))
        elif kind == 2:
            every.append("".join(draw.choice("aA0 .\n-=_#") * draw.randint(1, 70) for _ in range(draw.randint(1, 6))))
        elif kind == 3:
            line = draw.choice(sentences)
            start = draw.randrange(len(line))
            every.append(line[start : start + draw.randint(1, 200)])
        elif kind == 4:
            every.append(" " * draw.randint(0, 5) + draw.choice(sentences) + draw.choice(["", " ", "\n", "\t\n  "]))
        else:
            every.append("".join(draw.choice([*CODE, *questions, "\u2581", "😀", "\r\n", "  "]) for _ in range(4)))
    return every[:TEXTS]


def post(base: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        base + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_ports()
    base = f"http://127.0.0.1:{port}"
    command = [str(INFINI), "engine", "--port", str(port), "--served_model_name", MODEL]
    with running(command, tmp_path_factory.mktemp("engine") / "engine.log"):
        wait_for(base, lambda: models_at(base) == [MODEL], 60)
        yield base


def test_the_ids_are_the_same_on_1000_texts(engine: str) -> None:
    reference = Tokenizer.from_file(str(HOME / "model/tokenizer/tokenizer.json"))
    every = texts()
    assert len(every) == TEXTS
    tokenize = partial(post, engine, "/tokenize")
    different = []
    for text in every:
        expected = reference.encode(text, add_special_tokens=False).ids
        seen = tokenize({"prompt": text, "add_special_tokens": False})["tokens"]
        if seen != expected:
            different.append((text[:80], len(text), expected[:12], seen[:12]))
    print(f"{TEXTS - len(different)} of {TEXTS} texts give the same ids")
    assert not different, different[:5]


def test_ids_become_the_text_again(engine: str) -> None:
    special = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<unk>", "<s>", "</s>")
    lost = []
    for text in texts()[::4]:
        ids = post(engine, "/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]
        back = post(engine, "/detokenize", {"tokens": ids})["prompt"] if ids else ""
        if back != text.replace("\u2581", " ") and not any(s in text for s in special):
            lost.append((text[:80], back[:80]))
    assert not lost, lost[:5]


