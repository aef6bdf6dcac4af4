"""Subword tokenizer of the SentencePiece kind that llama.cpp calls `llama` (SPM).

Training is byte-pair merging over weighted words. Encoding is what llama.cpp does: of all
neighbouring pieces whose concatenation is a piece, the one with the best score is merged first,
the leftmost on a tie. A space is written as U+2581. What no piece covers falls back to bytes.

Pieces lie inside a unit (a word, a number, a run of signs, with the spaces before it), except a
short list of joined neighbours like " of" + " the". These have the worst scores, so they are merged
after everything else, which lets the encoder remember units.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Iterable, Mapping

SPACE = "\u2581"
UNKNOWN, END_OF_TEXT, TURN_END, TURN_START = 0, 1, 2, 3
SPECIAL_PIECES = ["<unk>", "<|endoftext|>", "<|im_end|>", "<|im_start|>"]
FIRST_BYTE = len(SPECIAL_PIECES)

# tokenizer.ggml.token_type
TYPE_NORMAL, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_BYTE = 1, 2, 3, 6

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

_RUN_LENGTHS = (2, 4, 8, 16, 32, 64)
_RUN_CHARACTERS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-=_*#/~+!?," + SPACE + "\n"
)
_UNIT = re.compile(f"{SPACE}*(?:[A-Za-z']+|[0-9]+|\\n+|[^A-Za-z0-9'\\n{SPACE}]+)|{SPACE}+")
_SPECIAL = re.compile("(" + "|".join(re.escape(p) for p in SPECIAL_PIECES[1:]) + ")")


def units(text: str) -> list[str]:
    """Splits text into units."""
    return _UNIT.findall(text.replace(" ", SPACE))


def _latin_characters() -> list[str]:
    return [chr(c) for c in range(0x21, 0x7F)] + [SPACE, "\n", "\t"]


def other_characters() -> list[str]:
    """Characters of other scripts: one piece each, so that such text costs one token a letter."""
    ranges = [(0xA1, 0x17F), (0x391, 0x3CA), (0x410, 0x450), (0x3041, 0x3097), (0x30A1, 0x30FB)]
    found = [chr(c) for low, high in ranges for c in range(low, high) if chr(c).isprintable()]
    found += list("\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2022\u20ac\u2190\u2192\u2264\u2265")
    found += list("\u3000\u3001\u3002\u300a\u300b\u300c\u300d\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f")
    for row in range(0xB0, 0xD8):  # level 1 of GB 2312: the 3,755 most used Chinese characters
        for column in range(0xA1, 0xFF):
            try:
                found.append(bytes((row, column)).decode("gb2312"))
            except UnicodeDecodeError:
                continue
    return list(dict.fromkeys(c for c in found if c != SPACE))


class Tokenizer:
    """Pieces by id; `joined` names the neighbours that become one piece at the end."""

    def __init__(self, pieces: list[str], joined: Iterable[tuple[str, str]] = ()) -> None:
        self.pieces = pieces
        self.ids: dict[str, int] = {}
        for index, piece in enumerate(pieces):
            if piece in self.ids:
                raise ValueError(f"piece {piece!r}: twice, ids {self.ids[piece]} and {index}")
            self.ids[piece] = index
        self._first_merge = FIRST_BYTE + 256
        self._cache: dict[str, list[int]] = {}
        self._joined = {(self.ids[a], self.ids[b]): self.ids[a + b] for a, b in joined}

    @staticmethod
    def train(words: Mapping[str, float], joined: list[tuple[str, str]], size: int) -> "Tokenizer":
        """`words` maps units to weights; `size` counts all pieces except those of other scripts."""
        base = SPECIAL_PIECES + [f"<0x{b:02X}>" for b in range(256)] + _latin_characters()
        merges = [c * n for n in _RUN_LENGTHS for c in _RUN_CHARACTERS]
        merges += [f"{n:02d}" for n in range(100) if n % 11]
        known = set(base) | set(merges)
        merges += _byte_pair_merges(words, merges, size - len(base) - len(merges) - len(joined), known)
        for left, right in joined:
            for part in (left, right):
                if part not in known:
                    raise ValueError(f"joined piece {left + right!r}: {part!r} is no piece (expected: a common word)")
        others = [c for c in other_characters() if c not in known]
        return Tokenizer(base + merges + others + [a + b for a, b in joined], joined)

    def __len__(self) -> int:
        return len(self.pieces)

    def scores(self) -> list[float]:
        """Earlier pieces merge first; the score of an unmergeable piece is never looked at."""
        first = self._first_merge
        return [0.0 if i < first else float(first - i) for i in range(len(self.pieces))]

    def types(self) -> list[int]:
        kinds = [TYPE_NORMAL] * len(self.pieces)
        kinds[UNKNOWN] = TYPE_UNKNOWN
        for index in (END_OF_TEXT, TURN_END, TURN_START):
            kinds[index] = TYPE_CONTROL
        for index in range(FIRST_BYTE, FIRST_BYTE + 256):
            kinds[index] = TYPE_BYTE
        return kinds

    def encode(self, text: str, special: bool = False) -> list[int]:
        """With `special`, the control pieces in the text become their ids."""
        if special:
            found: list[int] = []
            for part in _SPECIAL.split(text):
                found += [self.ids[part]] if part in SPECIAL_PIECES else self.encode(part)
            return found
        result: list[int] = []
        for unit in units(text):
            ids = self._cache.get(unit)
            if ids is None:
                ids = self._encode_unit(unit)
                if len(unit) <= 40:
                    self._cache[unit] = ids
            result += ids
        return self._join(result)

    def decode(self, ids: Iterable[int]) -> str:
        raw = b""
        for index in ids:
            if FIRST_BYTE <= index < FIRST_BYTE + 256:
                raw += bytes((index - FIRST_BYTE,))
            elif index >= FIRST_BYTE:
                raw += self.pieces[index].replace(SPACE, " ").encode("utf-8")
        return raw.decode("utf-8", errors="replace")

    def _join(self, ids: list[int]) -> list[int]:
        """Merges joined neighbours, best score first, then leftmost."""
        found = [(self._joined[pair], i) for i, pair in enumerate(zip(ids, ids[1:])) if pair in self._joined]
        taken: set[int] = set()
        for index, i in sorted(found):
            if i not in taken and i + 1 not in taken:
                taken |= {i, i + 1}
                ids[i], ids[i + 1] = index, -1
        return [i for i in ids if i >= 0]

    def _encode_unit(self, unit: str) -> list[int]:
        symbols: list[str] = list(unit)
        left = list(range(-1, len(symbols) - 1))
        right = list(range(1, len(symbols))) + [-1]
        queue: list[tuple[int, int, int, str]] = []

        def offer(a: int, b: int) -> None:
            if a >= 0 and b >= 0:
                joined = symbols[a] + symbols[b]
                rank = self.ids.get(joined)
                if rank is not None:
                    heapq.heappush(queue, (rank, a, b, joined))

        for i in range(len(symbols) - 1):
            offer(i, i + 1)
        while queue:
            _, a, b, joined = heapq.heappop(queue)
            if not symbols[a] or not symbols[b] or symbols[a] + symbols[b] != joined or right[a] != b:
                continue
            symbols[a], symbols[b] = joined, ""
            right[a] = right[b]
            if right[b] >= 0:
                left[right[b]] = a
            offer(left[a], a)
            offer(a, right[a])
        result: list[int] = []
        for symbol in symbols:
            if not symbol:
                continue
            index = self.ids.get(symbol)
            if index is not None:
                result.append(index)
            else:
                result += [FIRST_BYTE + b for b in symbol.encode("utf-8")]
        return result

    def save_hugging_face(self, folder: Path, context_length: int) -> None:
        """Writes tokenizer.json and tokenizer_config.json; the ids equal those of llama.cpp."""
        folder.mkdir(parents=True, exist_ok=True)
        merges: list[list[str]] = []
        for piece in self.pieces[self._first_merge :]:
            splits = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
            merges += [[a, b] for a, b in splits if a in self.ids and b in self.ids]
        added = [
            {"id": i, "content": p, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for i, p in enumerate(SPECIAL_PIECES)
        ]
        tokenizer = {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
            "pre_tokenizer": None, "post_processor": None,
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"}, {"type": "Fuse"}]},
            "model": {"type": "BPE", "dropout": None, "unk_token": SPECIAL_PIECES[UNKNOWN],
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                      "vocab": self.ids, "merges": merges},
        }
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": context_length,
            "add_bos_token": False, "add_eos_token": False,
            "clean_up_tokenization_spaces": False,
            "bos_token": SPECIAL_PIECES[END_OF_TEXT], "eos_token": SPECIAL_PIECES[TURN_END],
            "pad_token": SPECIAL_PIECES[END_OF_TEXT], "unk_token": SPECIAL_PIECES[UNKNOWN],
            "chat_template": CHAT_TEMPLATE,
        }
        for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
            text = json.dumps(content, ensure_ascii=False, indent=None, separators=(",", ":"))
            (folder / name).write_text(text + "\n", encoding="utf-8")


SAMPLE_TEXTS = [
    "", " ", "  ", "\n", "\n\n\n", " \n ", "a", "A", "Hello", " Hello", "Hello, world!", "Where did my request go?",
    "What is a paged cache?", "how do i set CACHE_TYPE_ROUTING_THRESHOLD", "./infini up --detach", "x-infini-pool: static",
    "A" * 63, "A" * 64, "A" * 1000, "a" * 37 + "b" * 5, "=" * 80, "-" * 7, " " * 100 + "x", "0000 1234567890 51200",
    "of the in the of of the the", "the,and ,and, and,the", "End.\nNext.\n\nThe end. It is so.", "don't it's '' 'quoted'",
    "tab\there\r\nand there", "caf\u00e9 na\u00efve \u201cquoted\u201d \u2013 \u2026", "\u2581 is the sign of a space",
    "\u4f60\u597d\uff0c\u8def\u7531\u5668\u662f\u4ec0\u4e48\uff1f", "\u9f98\U0001f600\ufe0f", "\u041f\u0440\u0438\u0432\u0435\u0442 \u3053\u3093\u306b\u3061\u306f",
    "def main(args: list[str]) -> None:\n    return {\"a\": [1, 2.5, None]}\n", "start-up back-off real-time camelCase snake_case",
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
    "<|im_end|><|endoftext|> <|im_start|", "antidisestablishmentarianism Rindfleischetikettierung",
]


def save_samples(tokenizer: Tokenizer, path: Path) -> None:
    """Texts with their ids (control pieces read as such), for tests of other implementations."""
    samples = [{"text": text, "ids": tokenizer.encode(text, special=True)} for text in SAMPLE_TEXTS]
    lines = ",\n".join(json.dumps(sample, separators=(",", ":")) for sample in samples)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _byte_pair_merges(
    words: Mapping[str, float], forced: list[str], count: int, known: set[str]
) -> list[str]:
    """Most frequent pair first, after the `forced` pieces were merged; ties by the pair itself."""
    start = Tokenizer(SPECIAL_PIECES + [f"<0x{b:02X}>" for b in range(256)] + _latin_characters() + forced)
    entries: list[list[str]] = []
    weights: list[float] = []
    for word, weight in sorted(words.items()):
        ids = start.encode(word)
        if len(ids) > 1 and all(i >= FIRST_BYTE + 256 for i in ids):
            entries.append([start.pieces[i] for i in ids])
            weights.append(weight)
    totals: Counter[tuple[str, str]] = Counter()
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    for number, pieces in enumerate(entries):
        for pair in zip(pieces, pieces[1:]):
            totals[pair] += weights[number]
            places[pair].add(number)
    heap = [(-weight, pair) for pair, weight in totals.items()]
    heapq.heapify(heap)
    merges: list[str] = []
    while len(merges) < count and heap:
        weight, pair = heapq.heappop(heap)
        now = totals.get(pair, 0.0)
        if now <= 1e-9:
            continue
        if abs(now + weight) > 1e-9:
            heapq.heappush(heap, (-now, pair))
            continue
        joined = pair[0] + pair[1]
        if joined not in known:
            known.add(joined)
            merges.append(joined)
        changed: set[tuple[str, str]] = set()
        for number in sorted(places.pop(pair)):
            old = entries[number]
            for other in zip(old, old[1:]):
                totals[other] -= weights[number]
            new: list[str] = []
            i = 0
            while i < len(old):
                if i + 1 < len(old) and (old[i], old[i + 1]) == pair:
                    new.append(joined)
                    i += 2
                else:
                    new.append(old[i])
                    i += 1
            entries[number] = new
            for other in zip(new, new[1:]):
                totals[other] += weights[number]
                places[other].add(number)
                changed.add(other)
        totals.pop(pair, None)
        for other in changed:
            heapq.heappush(heap, (-totals[other], other))
    return merges
