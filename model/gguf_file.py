"""Writes GGUF version 3 files (metadata, then tensors aligned to 32 bytes) and reads its own f32 and f16 ones.

Format reference: the GGUF specification in the ggml repository (docs/gguf.md).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, Sequence

import numpy as np

_ALIGNMENT = 32
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_TENSOR_F32, _TENSOR_F16, _TENSOR_Q8_0 = 0, 1, 8
_Q8_BLOCK = 32
_Q8_TYPE = np.dtype([("scale", "<f2"), ("values", "i1", _Q8_BLOCK)])

FILE_TYPES: dict[str, int] = {"f32": 0, "f16": 1, "q8_0": 7}


def _string(text: str) -> bytes:
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def _padding(length: int) -> bytes:
    return b"\0" * (-length % _ALIGNMENT)


def quantize_q8_0(values: np.ndarray) -> bytes:
    """Blocks of 32 values: one f16 scale, then 32 signed bytes."""
    if values.shape[-1] % _Q8_BLOCK:
        raise ValueError(f"row length: {values.shape[-1]} (expected: a multiple of {_Q8_BLOCK})")
    blocks = values.reshape(-1, _Q8_BLOCK).astype(np.float32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127.0
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    packed = np.empty(len(blocks), dtype=_Q8_TYPE)
    packed["scale"] = scale[:, 0]
    packed["values"] = np.clip(np.rint(blocks * inverse), -127, 127)
    return packed.tobytes()


class GgufWriter:
    """Collects metadata and tensors and writes them in one go."""

    def __init__(self) -> None:
        self._metadata: list[bytes] = []
        self._tensors: list[tuple[str, tuple[int, ...], int, bytes]] = []

    def uint32(self, key: str, value: int) -> None:
        self._add(key, _UINT32, struct.pack("<I", value))

    def float32(self, key: str, value: float) -> None:
        self._add(key, _FLOAT32, struct.pack("<f", value))

    def boolean(self, key: str, value: bool) -> None:
        self._add(key, _BOOL, struct.pack("<?", value))

    def string(self, key: str, value: str) -> None:
        self._add(key, _STRING, _string(value))

    def strings(self, key: str, values: Sequence[str]) -> None:
        self._array(key, _STRING, len(values), b"".join(_string(v) for v in values))

    def floats(self, key: str, values: Sequence[float]) -> None:
        self._array(key, _FLOAT32, len(values), struct.pack(f"<{len(values)}f", *values))

    def int32s(self, key: str, values: Sequence[int]) -> None:
        self._array(key, _INT32, len(values), struct.pack(f"<{len(values)}i", *values))

    def tensor(self, name: str, values: np.ndarray, kind: str = "f32") -> None:
        """`values` in row-major order; vectors are always stored as f32, as llama.cpp wants them."""
        if kind not in FILE_TYPES:
            raise ValueError(f"tensor type: {kind} (expected: one of {', '.join(FILE_TYPES)})")
        if values.ndim == 1 or kind == "f32":
            code, raw = _TENSOR_F32, values.astype("<f4").tobytes()
        elif kind == "f16":
            code, raw = _TENSOR_F16, values.astype("<f2").tobytes()
        else:
            code, raw = _TENSOR_Q8_0, quantize_q8_0(values)
        self._tensors.append((name, values.shape, code, raw))

    def write(self, path: Path) -> int:
        """Writes to a temporary file and renames it; returns the size in bytes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".part")
        with open(temporary, "wb") as out:
            self._write(out)
        os.replace(temporary, path)
        return path.stat().st_size

    def _write(self, out: BinaryIO) -> None:
        head = b"GGUF" + struct.pack("<IQQ", 3, len(self._tensors), len(self._metadata))
        head += b"".join(self._metadata)
        offset = 0
        for name, shape, code, raw in self._tensors:
            dimensions = b"".join(struct.pack("<Q", n) for n in reversed(shape))
            head += _string(name) + struct.pack("<I", len(shape)) + dimensions
            head += struct.pack("<IQ", code, offset)
            offset += len(raw) + len(_padding(len(raw)))
        out.write(head + _padding(len(head)))
        for _, _, _, raw in self._tensors:
            out.write(raw + _padding(len(raw)))

    def _add(self, key: str, kind: int, value: bytes) -> None:
        self._metadata.append(_string(key) + struct.pack("<I", kind) + value)

    def _array(self, key: str, kind: int, count: int, raw: bytes) -> None:
        self._add(key, _ARRAY, struct.pack("<IQ", kind, count) + raw)


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Tensors as f32 by name, and the pieces of the tokenizer."""
    tensors, metadata, _ = _read(path)
    pieces = metadata.get("tokenizer.ggml.tokens")
    return tensors, pieces if isinstance(pieces, list) else []


def rewrite(source: Path, target: Path, table_kind: str, layer_kind: str) -> int:
    """The same model with its embeddings and its layers in other types; returns the size in bytes."""
    tensors, _, raw_metadata = _read(source)
    writer = GgufWriter()
    writer._metadata = raw_metadata
    for name, values in tensors.items():
        writer.tensor(name, values, table_kind if name == "token_embd.weight" else layer_kind)
    return writer.write(target)


def average(first: Path, second: Path, share: float, target: Path, table_kind: str, layer_kind: str) -> int:
    """The first model with `share` of the second's weights in it; returns the size in bytes."""
    tensors, _, raw_metadata = _read(first)
    others, _, _ = _read(second)
    if {name: values.shape for name, values in tensors.items()} != {name: values.shape for name, values in others.items()}:
        raise ValueError(f"{second}: other tensors than {first} (expected: two models of one kind)")
    writer = GgufWriter()
    writer._metadata = raw_metadata
    for name, values in tensors.items():
        mixed = (1.0 - share) * values + share * others[name]
        writer.tensor(name, mixed, table_kind if name == "token_embd.weight" else layer_kind)
    return writer.write(target)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object], list[bytes]]:
    """Tensors as f32, metadata, and the bytes of each entry of the metadata."""
    raw = path.read_bytes()
    place = 0

    def take(form: str) -> tuple[int, ...]:
        nonlocal place
        values = struct.unpack_from("<" + form, raw, place)
        place += struct.calcsize("<" + form)
        return values

    def text() -> str:
        nonlocal place
        length = take("Q")[0]
        place += length
        return raw[place - length : place].decode("utf-8")

    forms = {_UINT32: "I", _INT32: "i", _FLOAT32: "f", _BOOL: "?"}

    def value(kind: int) -> object:
        if kind == _STRING:
            return text()
        if kind == _ARRAY:
            inner, count = take("IQ")
            return [value(inner) for _ in range(count)]
        if kind not in forms:
            raise ValueError(f"{path}: metadata type {kind} (expected: one that this module writes)")
        return take(forms[kind])[0]

    if raw[:4] != b"GGUF":
        raise ValueError(f"{path}: starts with {raw[:4]!r} (expected: b'GGUF')")
    place = 4
    _, tensor_count, metadata_count = take("IQQ")
    metadata: dict[str, object] = {}
    entries: list[bytes] = []
    for _ in range(metadata_count):
        begin = place
        key = text()
        metadata[key] = value(take("I")[0])
        entries.append(raw[begin:place])
    infos = []
    for _ in range(tensor_count):
        name = text()
        shape = tuple(reversed(take("Q" * take("I")[0])))
        infos.append((name, shape, *take("IQ")))
    start = place + (-place % _ALIGNMENT)
    kinds = {_TENSOR_F32: "<f4", _TENSOR_F16: "<f2"}
    tensors: dict[str, np.ndarray] = {}
    for name, shape, kind, offset in infos:
        if kind == _TENSOR_Q8_0:
            blocks = np.frombuffer(raw, _Q8_TYPE, int(np.prod(shape)) // _Q8_BLOCK, start + offset)
            tensors[name] = (blocks["scale"].astype(np.float32)[:, None] * blocks["values"]).reshape(shape)
            continue
        if kind not in kinds:
            raise ValueError(f"{path}: tensor {name} of type {kind} (expected: f32, f16 or q8_0)")
        data = np.frombuffer(raw, kinds[kind], int(np.prod(shape)), start + offset)
        tensors[name] = data.reshape(shape).astype(np.float32)
    return tensors, metadata, entries
