"""Asks the questions of questions.json and counts the answers that hold the required words.

    python3 model/evaluate.py --url http://127.0.0.1:8000
    python3 model/evaluate.py --url http://127.0.0.1:8000 --same-as http://127.0.0.1:8090

Works with any server that speaks the OpenAI chat route; needs nothing but Python. With --same-as it asks a second
server too, say llama.cpp's own on the same GGUF file, and counts how many greedy answers have the same text and how
many prompts the same number of tokens (the same chat template and tokenizer).
Exit code 0 when at least --need answers are right and --need-same of them the same, 1 when fewer are, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def read_questions(path: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        sys.exit(f"evaluate.py: {path}: {error}")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry.get("question"), str) or not entry.get("must") or "seen" not in entry:
            sys.exit(f"evaluate.py: {path}: entry {number} (expected: question, must and seen)")
    return entries


def holds(answer: str, words: list[str]) -> bool:
    """Whether all words stand in the answer, in whatever case."""
    folded = answer.casefold()
    return all(word.casefold() in folded for word in words)


def post(url: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
    request = urllib.request.Request(
        url, data=json.dumps(body).encode("utf-8"), headers={"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout) as response:
        return json.load(response)


def ask(base: str, model: str | None, question: str, timeout: float) -> tuple[str, int]:
    """The greedy answer, and the tokens of the prompt."""
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": question}],
        "temperature": 0, "max_tokens": 160, "stream": False,
    }
    if model:
        body["model"] = model
    answer = post(f"{base}/v1/chat/completions", body, timeout)
    return str(answer["choices"][0]["message"]["content"]), int(answer["usage"]["prompt_tokens"])


def address(url: str) -> str:
    return url.rstrip("/").removesuffix("/v1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="server without /v1 (default: %(default)s)")
    parser.add_argument("--model", help="model name to send; none by default")
    parser.add_argument("--questions", type=Path, default=HERE / "questions.json")
    parser.add_argument("--need", type=int, default=24, help="answers that must be right (default: %(default)s)")
    parser.add_argument("--same-as", metavar="URL", help="a second server whose greedy answers should be the same")
    parser.add_argument("--need-same", type=float, default=0.95, help="share of the same answers (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one answer")
    parser.add_argument("--verbose", action="store_true", help="print right answers too")
    options = parser.parse_args()
    entries = read_questions(options.questions)
    base = address(options.url)
    other = address(options.same_as) if options.same_as else None
    same_texts = same_prompts = 0
    right = {True: 0, False: 0}
    total = {True: 0, False: 0}
    for entry in entries:
        seen = bool(entry["seen"])
        asked = base
        try:
            answer, prompt_tokens = ask(base, options.model, entry["question"], options.timeout)
            if other:
                asked = other
                theirs, their_prompt_tokens = ask(other, options.model, entry["question"], options.timeout)
                same_texts += answer.strip() == theirs.strip()
                same_prompts += prompt_tokens == their_prompt_tokens
                if answer.strip() != theirs.strip():
                    print(f"DIFFERENT: {entry['question']}\n    {answer.strip()}\n    {theirs.strip()}")
        except urllib.error.HTTPError as error:
            print(f"evaluate.py: {asked}: HTTP {error.code}: {error.read(500).decode('utf-8', 'replace')}", file=sys.stderr)
            return 1
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            print(f"evaluate.py: {asked}: {error!r} (expected: an OpenAI chat completion)", file=sys.stderr)
            return 1
        good = holds(answer, entry["must"])
        right[seen] += good
        total[seen] += 1
        if options.verbose or not good:
            print(f"{'right' if good else 'WRONG'}: {entry['question']}\n    {answer.strip()}")
            if not good:
                print(f"    expected: {', '.join(entry['must'])}")
    print(f"{right[True] + right[False]} of {sum(total.values())} right "
          f"(seen {right[True]} of {total[True]}, paraphrases {right[False]} of {total[False]})")
    count = len(entries)
    if other:
        print(f"{same_texts} of {count} answers are the same as {other}'s, {same_prompts} of {count} prompts have as many tokens")
    enough = right[True] + right[False] >= options.need
    alike = not other or (same_texts >= options.need_same * count and same_prompts == count)
    return 0 if enough and alike else 1


if __name__ == "__main__":
    sys.exit(main())
