"""Trains the bundled model on the CPU and writes it as one GGUF file.

    python3 model/train.py --output model/infini-tiny.gguf

Text comes from corpus.py, the tokenizer is trained first, then the transformer. One seed, one model
(up to the rounding of the machine's matrix kernels).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
except ImportError as missing:
    sys.exit(f"train.py: {missing.name} is missing (expected: pip install -r model/requirements.txt)")

import tokenizer as tok
from corpus import Corpus, Turn
from gguf_file import FILE_TYPES, GgufWriter, read_tensors

Params = dict[str, Any]
Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Shape:
    """Sizes of the transformer; the architecture is llama with tied embeddings."""

    width: int = 128
    heads: int = 2
    layers: int = 2
    feed_forward: int = 384
    context: int = 131_072
    rope_base: float = 500_000.0
    norm_epsilon: float = 1e-5

    @property
    def head(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True)
class Plan:
    """One kind of training step."""

    length: int
    rows: int
    learned: int  # positions a step whose next token counts


FIRST_TOKENS = 12
SHORT = Plan(length=192, rows=26, learned=1536)
LONG = (Plan(1024, 3, 256), Plan(2048, 1, 128), Plan(1024, 3, 256), Plan(4096, 1, 128))
LONG_EVERY = 20
MIDDLE = Plan(512, 6, 384)


def initial(shape: Shape, rows: int, seed: int) -> Params:
    """Random weights for `rows` embeddings and the layers."""
    rng = np.random.default_rng(seed)
    width, layers, inner = shape.width, shape.layers, shape.feed_forward

    def normal(*size: int, scale: float) -> jax.Array:
        return jnp.asarray(rng.standard_normal(size).astype(np.float32) * scale)

    spread = 1.0 / math.sqrt(width)
    return {
        "embedding": normal(rows, width, scale=0.05),
        "norm": jnp.ones(width),
        "attention_norm": jnp.ones((layers, width)),
        "feed_norm": jnp.ones((layers, width)),
        "q": normal(layers, width, width, scale=spread),
        "k": normal(layers, shape.head, width, scale=spread),
        "v": normal(layers, shape.head, width, scale=spread),
        "o": normal(layers, width, width, scale=spread / math.sqrt(2 * layers)),
        "gate": normal(layers, inner, width, scale=spread),
        "up": normal(layers, inner, width, scale=spread),
        "down": normal(layers, width, inner, scale=1.0 / math.sqrt(inner * 2 * layers)),
    }


def rms_norm(x: jax.Array, weight: jax.Array, epsilon: float) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


def rotate(x: jax.Array, cos: jax.Array, sin: jax.Array) -> jax.Array:
    """Rotary embedding that pairs the first with the second half, the faster form here; see `paired`."""
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate((first * cos - second * sin, first * sin + second * cos), axis=-1)


def paired(weight: np.ndarray, head: int) -> np.ndarray:
    """Reorders the rows of a query or key matrix: llama.cpp rotates neighbouring rows together."""
    heads = weight.shape[0] // head
    return weight.reshape(heads, 2, head // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def halved(weight: np.ndarray, head: int) -> np.ndarray:
    """The inverse of `paired`."""
    heads = weight.shape[0] // head
    return weight.reshape(heads, head // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def hidden(
    params: Params, shape: Shape, tokens: jax.Array, positions: jax.Array, documents: jax.Array, copies: jax.Array
) -> jax.Array:
    """Last layer's output, rows x length x width; attention stays inside a document.

    `copies` holds the logarithm of how many equal tokens each token stands for.
    """
    batch, length = tokens.shape
    frequencies = shape.rope_base ** (-jnp.arange(0, shape.head, 2, dtype=jnp.float32) / shape.head)
    angles = positions[..., None].astype(jnp.float32) * frequencies
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    order = jnp.arange(length)
    allowed = (order[:, None] >= order[None, :]) & (documents[:, :, None] == documents[:, None, :])
    bias = jnp.where(allowed, copies[:, None, :], -1e9)
    x = params["embedding"][tokens]
    for i in range(shape.layers):
        h = rms_norm(x, params["attention_norm"][i], shape.norm_epsilon)
        q = (h @ params["q"][i].T).reshape(batch, length, shape.heads, shape.head)
        q = rotate(q, cos[:, :, None], sin[:, :, None])
        k = rotate(h @ params["k"][i].T, cos, sin)
        v = h @ params["v"][i].T
        scores = jnp.einsum("bqhd,bkd->bhqk", q, k) / math.sqrt(shape.head)
        mixed = jnp.einsum("bhqk,bkd->bqhd", jax.nn.softmax(scores + bias[:, None], axis=-1), v)
        x = x + mixed.reshape(batch, length, shape.width) @ params["o"][i].T
        h = rms_norm(x, params["feed_norm"][i], shape.norm_epsilon)
        x = x + (jax.nn.silu(h @ params["gate"][i].T) * (h @ params["up"][i].T)) @ params["down"][i].T
    return rms_norm(x, params["norm"], shape.norm_epsilon)


def loss(params: Params, shape: Shape, batch: dict[str, jax.Array]) -> jax.Array:
    """Mean cross-entropy over the learned positions only."""
    x = hidden(params, shape, batch["tokens"], batch["positions"], batch["documents"], batch["copies"])
    x = x.reshape(-1, shape.width)[batch["where"]]
    logits = x @ params["embedding"].T
    total = jax.nn.logsumexp(logits, axis=-1)
    chosen = jnp.take_along_axis(logits, batch["targets"][:, None], axis=-1)[:, 0]
    weight = batch["weights"]
    return jnp.sum((total - chosen + 1e-4 * total**2) * weight) / jnp.maximum(jnp.sum(weight), 1.0)


MATRICES = ("q", "k", "v", "o", "gate", "up", "down")


def orthogonal(update: jax.Array) -> jax.Array:
    """Newton-Schulz iteration towards the nearest orthogonal matrix (the Muon optimizer)."""
    x = update / (jnp.linalg.norm(update, axis=(-2, -1), keepdims=True) + 1e-7)
    flip = x.shape[-2] > x.shape[-1]
    if flip:
        x = jnp.swapaxes(x, -1, -2)
    for _ in range(5):
        square = x @ jnp.swapaxes(x, -1, -2)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return jnp.swapaxes(x, -1, -2) if flip else x


@partial(jax.jit, static_argnums=(1,), donate_argnums=(0, 2))
def step(
    params: Params, shape: Shape, state: dict[str, Params], batch: dict[str, jax.Array], rate: jax.Array, count: jax.Array
) -> tuple[Params, dict[str, Params], jax.Array]:
    """Muon for the matrices, Adam for embeddings and norms."""
    value, grads = jax.value_and_grad(loss)(params, shape, batch)
    size = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(grads)))
    scale = jnp.minimum(1.0, 1.0 / (size + 1e-6))
    new: Params = {}
    first: Params = {}
    second: Params = {}
    for name, old in params.items():
        g = grads[name] * scale
        if name in MATRICES:
            first[name] = 0.95 * state["first"][name] + g
            second[name] = state["second"][name]
            change = orthogonal(g + 0.95 * first[name]) * math.sqrt(max(1.0, old.shape[-2] / old.shape[-1]))
            new[name] = old * (1.0 - 0.01 * rate) - 0.02 * rate * change
        else:
            first[name] = 0.9 * state["first"][name] + 0.1 * g
            second[name] = 0.99 * state["second"][name] + 0.01 * g * g
            mean = first[name] / (1.0 - 0.9**count)
            square = second[name] / (1.0 - 0.99**count)
            new[name] = old - 0.003 * rate * mean / (jnp.sqrt(square) + 1e-8)
    return new, {"first": first, "second": second}, value


class Documents:
    """Turns drawn text into packed rows of token ids."""

    def __init__(self, corpus: Corpus, tokenizer: tok.Tokenizer, rows: Rows) -> None:
        self.corpus = corpus
        self.tokenizer = tokenizer
        self.rows = rows
        self.random = np.random.default_rng(corpus.rng.randrange(2**31))
        self._pending: tuple[list[int], list[bool]] | None = None

    def conversation(self, turns: list[Turn]) -> tuple[list[int], list[bool]]:
        """Ids, and for each id whether it is to be predicted."""
        ids: list[int] = []
        learned: list[bool] = []
        for turn in turns:
            head = [tok.TURN_START] + self.tokenizer.encode(f"{turn.role}\n")
            body = self.tokenizer.encode(turn.text) + [tok.TURN_END]
            tail = self.tokenizer.encode("\n")
            ids += head + body + tail
            learned += [False] * len(head) + [turn.role == "assistant"] * len(body) + [False] * len(tail)
        return ids, learned

    def short(self) -> tuple[list[int], list[bool]]:
        draw = self.corpus.rng.random()
        if draw < 0.84:
            return self.conversation(self.corpus.conversation())
        if draw < 0.91:
            return self.conversation(self.corpus.long_conversation(self.corpus.rng.randrange(20, 130)))
        lead = [tok.END_OF_TEXT] if self.corpus.rng.random() < 0.5 else []
        ids = lead + self.tokenizer.encode(self.corpus.plain_text()) + [tok.TURN_END]
        return ids, [False] + [True] * (len(ids) - 1)

    def short_batch(self, plan: Plan) -> Batch:
        rows: list[tuple[list[int], list[bool], list[int]]] = []
        while len(rows) < plan.rows:
            ids: list[int] = []
            learned: list[bool] = []
            owner: list[int] = []
            number = 0
            while len(ids) < plan.length:
                more, which = self._pending or self.short()
                self._pending = None
                if ids and len(ids) + len(more) > plan.length and plan.length - len(ids) < 64:
                    self._pending = (more, which)
                    break
                ids += more
                learned += which
                owner += [number] * len(more)
                number += 1
            rows.append((ids, learned, owner))
        return self._batch(plan, rows, [np.arange(plan.length)] * plan.rows,
                           [np.zeros(plan.length, dtype=np.float32)] * plan.rows)

    def long_batch(self, plan: Plan) -> Batch:
        rng = self.corpus.rng
        rows: list[tuple[list[int], list[bool], list[int]]] = []
        positions: list[np.ndarray] = []
        copies: list[np.ndarray] = []
        while len(rows) < plan.rows:
            target = int(plan.length * rng.uniform(0.5, 0.85))
            ids, learned = self.conversation(self.corpus.long_conversation(target))
            if len(ids) > plan.length:  # keep the head and the end, drop the middle of the filler
                cut = len(ids) - plan.length
                start = plan.length // 2
                ids, learned = ids[:start] + ids[start + cut :], learned[:start] + learned[start + cut :]
            where = np.arange(plan.length)
            weight = np.zeros(plan.length, dtype=np.float32)
            if rng.random() < 0.7:
                # The middle stands for a much longer text: its tokens count several times, and the
                # positions after it jump. Only the head of a message and its last tokens stay single.
                times = math.exp(rng.uniform(0.0, math.log(24_000 / plan.length)))
                used = min(len(ids), plan.length)
                first = learned.index(True) if True in learned else used
                low, high = min(12, used), max(12, first - rng.choice([8, 24, 40]))
                weight[low:high] = math.log(times)
                where[max(low, high) :] += int(max(0, high - low) * (times - 1.0))
            rows.append((ids, learned, [0] * len(ids)))
            positions.append(where)
            copies.append(weight)
        return self._batch(plan, rows, positions, copies)

    def _batch(
        self, plan: Plan, rows: list[tuple[list[int], list[bool], list[int]]], positions: list[np.ndarray],
        copies: list[np.ndarray],
    ) -> Batch:
        shape = (plan.rows, plan.length)
        tokens = np.zeros(shape, dtype=np.int32)
        documents = np.full(shape, -1, dtype=np.int32)
        targets = np.zeros(shape, dtype=np.int32)
        wanted = np.zeros(shape, dtype=bool)
        for number, (ids, learned, owner) in enumerate(rows):
            used = min(len(ids), plan.length)
            known = self.rows.of[np.asarray(ids[: used + 1], dtype=np.int32)]
            tokens[number, :used] = known[:used]
            documents[number, :used] = owner[:used]
            follow = len(known) - 1
            targets[number, :follow] = known[1:]
            wanted[number, :follow] = (np.asarray(learned[1 : follow + 1]) & (known[1:] < self.rows.learned)
                                       & (np.asarray(owner[1 : follow + 1]) == np.asarray(owner[:follow])))
        places = np.flatnonzero(wanted)
        if len(places) > plan.learned:
            # The first tokens of an answer decide which answer it is: keep them, draw the others.
            order = np.flatnonzero(wanted & _near_start(wanted))[: plan.learned]
            rest = np.setdiff1d(places, order, assume_unique=True)
            rest = self.random.choice(rest, min(len(rest), plan.learned - len(order)), replace=False)
            places = np.sort(np.concatenate((order, rest)))
        where = np.zeros(plan.learned, dtype=np.int32)
        where[: len(places)] = places
        weights = np.zeros(plan.learned, dtype=np.float32)
        weights[: len(places)] = 1.0
        return {"tokens": tokens, "documents": documents, "positions": np.stack(positions).astype(np.int32),
                "copies": np.stack(copies),
                "where": where, "targets": targets.reshape(-1)[where], "weights": weights}


def _near_start(wanted: np.ndarray) -> np.ndarray:
    """True for the first positions of every stretch of wanted ones."""
    near = wanted.copy()
    near[:, FIRST_TOKENS:] &= ~wanted[:, :-FIRST_TOKENS]
    return near


def train_tokenizer(corpus: Corpus, size: int) -> tok.Tokenizer:
    """Weights of units: the lexicon, and what the generator really says."""
    words: Counter[str] = Counter()
    for word, weight in corpus.lexicon.weights().items():
        for text, share in ((tok.SPACE + word, 1.0), (word, 0.3 if word[0].isupper() else 0.12)):
            for unit in tok.units(text):
                words[unit] += weight * share
    for _ in range(4000):
        for turn in corpus.conversation():
            for unit in tok.units(turn.text):
                words[unit] += 0.02
    for topic in corpus.topics:
        for answer in topic.answers:
            for unit in tok.units(answer):
                words[unit] += 2.0
    for word in ("system", "user", "assistant"):
        words[word] += 100.0
    for pair in corpus.lexicon.joined():
        for part in pair:
            words[part] += 20.0
    return tok.Tokenizer.train(words, corpus.lexicon.joined(), size)


@dataclass(frozen=True)
class Rows:
    """Which embedding row a piece has. Pieces that the generated text never needs share two rows."""

    of: np.ndarray
    learned: int

    @property
    def count(self) -> int:
        return self.learned + 2


def assign_rows(corpus: Corpus, tokenizer: tok.Tokenizer) -> Rows:
    corpus.rare_words = False
    seen: Counter[int] = Counter()
    for number in range(12_000):
        for turn in corpus.conversation():
            seen.update(tokenizer.encode(turn.text))
        if number % 4 == 0:
            seen.update(tokenizer.encode(corpus.plain_text()))
    for _ in range(150):
        seen.update(tokenizer.encode(corpus.filler(400)[0]))
    corpus.rare_words = True
    keep = {i for i, n in seen.items() if n >= 3}
    for text in corpus.fixed_answers() + ["system\n", "user\n", "assistant\n"]:
        keep.update(tokenizer.encode(text))
    keep |= {tok.UNKNOWN, tok.END_OF_TEXT, tok.TURN_END, tok.TURN_START}
    latin = [i for i, piece in enumerate(tokenizer.pieces) if piece.isascii() or tok.SPACE in piece]
    first_byte = range(tok.FIRST_BYTE, tok.FIRST_BYTE + 256)
    keep |= {i for i in latin if len(tokenizer.pieces[i]) == 1}
    keep = (keep & set(latin)) - set(first_byte)
    of = np.full(len(tokenizer), len(keep) + 1, dtype=np.int32)
    of[[i for i in latin if i not in first_byte]] = len(keep)
    for row, index in enumerate(sorted(keep)):
        of[index] = row
    return Rows(of, len(keep))


# Types of the embedding table and of the layers' matrices.
WEIGHTS = {"mixed": ("f16", "f32"), "f32": ("f32", "f32"), "f16": ("f16", "f16"), "q8_0": ("q8_0", "q8_0")}

LAYER_NAMES = {
    "attention_norm": "attn_norm", "feed_norm": "ffn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v",
    "o": "attn_output", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
}


def weights_from(tensors: dict[str, np.ndarray], like: Params, shape: Shape, rows: Rows) -> Params:
    """Weights of an earlier run; rows that it did not learn start from its shared ones."""
    params = {name: np.array(value) for name, value in like.items()}
    params["norm"] = tensors["output_norm.weight"]
    params["embedding"][rows.of] = tensors["token_embd.weight"]
    for name, stored in LAYER_NAMES.items():
        for i in range(shape.layers):
            weight = tensors[f"blk.{i}.{stored}.weight"]
            if weight.shape != params[name][i].shape:
                sys.exit(f"train.py: --resume: {stored} {weight.shape} (expected: {params[name][i].shape})")
            params[name][i] = halved(weight, shape.head) if name in ("q", "k") else weight
    return {name: jnp.asarray(value) for name, value in params.items()}


def write_gguf(path: Path, params: Params, shape: Shape, tokenizer: tok.Tokenizer, rows: Rows, kind: str) -> int:
    writer = GgufWriter()
    writer.string("general.architecture", "llama")
    writer.string("general.type", "model")
    writer.string("general.name", "infini-tiny")
    writer.string("general.description", "Very small model for tests and first steps; knows only InfiniLM-SVC for the JVM.")
    writer.string("general.license", "apache-2.0")
    table_kind, layer_kind = WEIGHTS[kind]
    writer.uint32("general.file_type", FILE_TYPES[table_kind])
    for key, value in (("context_length", shape.context), ("embedding_length", shape.width),
                       ("block_count", shape.layers), ("feed_forward_length", shape.feed_forward),
                       ("vocab_size", len(tokenizer)), ("rope.dimension_count", shape.head),
                       ("attention.head_count", shape.heads), ("attention.head_count_kv", 1)):
        writer.uint32(f"llama.{key}", value)
    writer.float32("llama.attention.layer_norm_rms_epsilon", shape.norm_epsilon)
    writer.float32("llama.rope.freq_base", shape.rope_base)
    writer.string("tokenizer.ggml.model", "llama")
    writer.string("tokenizer.ggml.pre", "default")
    writer.strings("tokenizer.ggml.tokens", tokenizer.pieces)
    writer.floats("tokenizer.ggml.scores", tokenizer.scores())
    writer.int32s("tokenizer.ggml.token_type", tokenizer.types())
    writer.uint32("tokenizer.ggml.bos_token_id", tok.END_OF_TEXT)
    writer.uint32("tokenizer.ggml.eos_token_id", tok.TURN_END)
    writer.uint32("tokenizer.ggml.eot_token_id", tok.TURN_END)
    writer.uint32("tokenizer.ggml.unknown_token_id", tok.UNKNOWN)
    writer.uint32("tokenizer.ggml.padding_token_id", tok.END_OF_TEXT)
    writer.boolean("tokenizer.ggml.add_bos_token", False)
    writer.boolean("tokenizer.ggml.add_eos_token", False)
    writer.boolean("tokenizer.ggml.add_space_prefix", False)
    writer.string("tokenizer.chat_template", tok.CHAT_TEMPLATE)
    arrays = {name: np.asarray(value) for name, value in params.items()}
    writer.tensor("token_embd.weight", arrays["embedding"][rows.of], table_kind)
    writer.tensor("output_norm.weight", arrays["norm"])
    for i in range(shape.layers):
        for name, stored in LAYER_NAMES.items():
            weight = paired(arrays[name][i], shape.head) if name in ("q", "k") else arrays[name][i]
            writer.tensor(f"blk.{i}.{stored}.weight", weight, layer_kind)
    return writer.write(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="GGUF file to write")
    parser.add_argument("--tokenizer", type=Path, help="folder for the Hugging Face form of the tokenizer")
    parser.add_argument("--steps", type=int, default=1500, help="steps of the first part")
    parser.add_argument("--long-steps", type=int, default=900, help="steps of the second part, on long messages")
    parser.add_argument("--resume", type=Path, help="GGUF file of this script: keep its tokenizer and weights, do only the second part")
    parser.add_argument("--seed", type=int, default=20260)
    parser.add_argument("--vocabulary", type=int, default=12288, help="pieces without those of other scripts")
    parser.add_argument("--weights", choices=sorted(WEIGHTS), default="mixed",
                        help="mixed: embeddings in f16, layers in f32, so that results hardly depend on the batch")
    parser.add_argument("--save-every", type=int, default=0, help="also write the file every so many steps")
    parser.add_argument("--layers", type=int, default=Shape.layers)
    parser.add_argument("--feed-forward", type=int, default=Shape.feed_forward)
    options = parser.parse_args()
    for name, low in (("steps", 1), ("long_steps", 1), ("vocabulary", 2048), ("save_every", 0), ("layers", 1)):
        if getattr(options, name) < low:
            parser.error(f"--{name.replace('_', '-')}: {getattr(options, name)} (expected: at least {low})")
    return options


def main() -> None:
    options = arguments()
    shape = Shape(layers=options.layers, feed_forward=options.feed_forward)
    began = time.monotonic()
    corpus = Corpus(options.seed)
    if options.resume:
        tensors, pieces = read_tensors(options.resume)
        tokenizer = tok.Tokenizer(pieces, corpus.lexicon.joined())
    else:
        tokenizer = train_tokenizer(corpus, options.vocabulary)
    rows = assign_rows(Corpus(options.seed + 2), tokenizer)
    print(f"tokenizer: {len(tokenizer)} pieces, {rows.learned} learned, {time.monotonic() - began:.0f} s", flush=True)
    if options.tokenizer:
        tokenizer.save_hugging_face(options.tokenizer, shape.context)
        tok.save_samples(tokenizer, options.tokenizer / "samples.json")
    documents = Documents(Corpus(options.seed + 1), tokenizer, rows)
    params = initial(shape, rows.count, options.seed)
    if options.resume:
        params = weights_from(tensors, params, shape, rows)
    zeros = jax.tree.map(jnp.zeros_like, params)
    state = {"first": zeros, "second": jax.tree.map(jnp.zeros_like, params)}
    print(f"weights: {sum(int(p.size) for p in jax.tree.leaves(params)):,}", flush=True)
    began = time.monotonic()
    mean = {"short": 0.0, "long": 0.0}
    total = options.steps + options.long_steps
    for number in range(options.steps + 1 if options.resume else 1, total + 1):
        if number <= options.steps:
            is_long = number > 100 and number % LONG_EVERY == 0
            plan = LONG[number // LONG_EVERY % len(LONG)] if is_long else SHORT
            done = number / options.steps
            rate = min(1.0, number / 25) * (1.0 if done < 0.4 else 0.3 + 0.7 * (1.0 - done) / 0.6)
        else:  # second part: every other step has long messages
            count = number - options.steps
            is_long = count % 2 == 0
            plan = SHORT if not is_long else LONG[count // 8 % len(LONG)] if count % 8 == 0 else MIDDLE
            rate = min(1.0, count / 20) * 0.5 * max(0.02, 1.0 - count / options.long_steps)
        batch = documents.long_batch(plan) if is_long else documents.short_batch(plan)
        params, state, value = step(params, shape, state, batch, jnp.float32(rate), jnp.float32(number))
        kind = "long" if is_long else "short"
        mean[kind] = float(value) if mean[kind] == 0.0 else 0.9 * mean[kind] + 0.1 * float(value)
        if number % 25 == 0 or number == total:
            print(f"step {number}: loss {mean['short']:.3f}, long {mean['long']:.3f}, "
                  f"{time.monotonic() - began:.0f} s", flush=True)
        if options.save_every and number % options.save_every == 0:
            write_gguf(options.output, params, shape, tokenizer, rows, options.weights)
    size = write_gguf(options.output, params, shape, tokenizer, rows, options.weights)
    print(f"{options.output}: {size:,} bytes, {time.monotonic() - began:.0f} s of training", flush=True)


if __name__ == "__main__":
    main()
