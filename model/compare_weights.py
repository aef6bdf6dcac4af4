"""Serves the model with its weights in several types and compares size, questions and speed in one run.

    python3 model/compare_weights.py [--runs 3]

Needs numpy and a built checkout. Speeds are medians, as ratios to the first row; on a busy machine they mean little.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from gguf_file import rewrite

HERE = Path(__file__).resolve().parent
KINDS = {"mixed": ("f16", "f32"), "f16": ("f16", "f16"), "q8_0": ("q8_0", "q8_0"), "q8_0 embeddings": ("q8_0", "f32")}
SENTENCE = "The old tram stops at the harbour, and nobody remembers who planted the trees beside it. "
LONG_BYTES = 60_000
ANSWER_TOKENS = 300


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def seconds(base: str, body: dict[str, object]) -> float:
    request = urllib.request.Request(
        base + "/v1/completions", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    start = time.monotonic()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300) as answer:
        answer.read()
    return time.monotonic() - start


def serve(stack: ExitStack, file: Path) -> str:
    """An engine on this file; ended with the stack."""
    port = free_port()
    command = [str(HERE.parent / "bin" / "infini"), "engine", "--port", str(port), "--model_path", str(file),
               "--served_model_name", "m", "--cache_type", "static", "--max_cache_len", "32768"]
    engine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(lambda: (engine.terminate(), engine.wait(20)))
    base = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            with urllib.request.urlopen(base + "/health", timeout=5):
                return base
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{file}: the engine does not serve within 60 s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=HERE / "infini-tiny.gguf")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sizes: dict[str, int] = {}
        bases: dict[str, str] = {}
        for number, (kind, types) in enumerate(KINDS.items()):
            file = Path(folder) / f"{number}.gguf"
            sizes[kind] = rewrite(options.model, file, *types)
            bases[kind] = serve(stack, file)
        prefill: dict[str, list[float]] = {kind: [] for kind in KINDS}
        decode: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for run in range(options.runs):
            for kind, base in bases.items():
                long = f"Run {run}. " + SENTENCE * (LONG_BYTES // len(SENTENCE))
                prefill[kind].append(seconds(base, {"prompt": long, "max_tokens": 1}))
                answer = {"prompt": f"Run {run}", "max_tokens": ANSWER_TOKENS, "ignore_eos": True}
                decode[kind].append(seconds(base, answer) / ANSWER_TOKENS)
        first = next(iter(KINDS))
        print(f"{'weights':<16} {'bytes':>10} {'right':>8} {'60 KB prompt':>20} {'output token':>20}")
        for kind, base in bases.items():
            command = [sys.executable, str(HERE / "evaluate.py"), "--url", base, "--need", "0"]
            report = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout
            right = re.search(r"(\d+ of \d+) right", report)
            columns = []
            for unit, scale, times in (("s", 1.0, prefill), ("ms", 1000.0, decode)):
                median = statistics.median(times[kind])
                columns.append(f"{median * scale:.2f} {unit} (x{median / statistics.median(times[first]):.2f})")
            print(f"{kind:<16} {sizes[kind]:>10,} {right.group(1) if right else '?':>8} {columns[0]:>20} {columns[1]:>20}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
