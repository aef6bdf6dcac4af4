#!/usr/bin/env python3
"""Run vLLM's `bench serve` from vLLM's source, nothing built or installed.

run_benchmark.py VLLM_DIR [arguments of `vllm bench serve`]
run_benchmark.py VLLM_DIR --check TOKENIZER_DIR   import it and read a small custom data set, prints vLLM's version

Runs with the Python of the environment that setup-vllm-env.sh prepared, activated or not. Exit code 0: some requests
were answered; 1: none was, or vLLM stopped with an error; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

COMMON = Path(__file__).resolve().parent


def use_prepared_python() -> None:
    """Becomes the prepared environment's Python, unless this one has the packages."""
    if find_spec("infini_vllm_standins") is not None or all(find_spec(p) for p in ("torch", "transformers", "pandas")):
        return
    lookup = subprocess.run(
        ["bash", "-c", '. "$0" && find_vllm_python', str(COMMON / "vllm.sh")],
        capture_output=True,
        text=True,
        check=False,
    )
    prepared = lookup.stdout.strip()
    if not prepared or os.environ.get("INFINI_VLLM_PYTHON") == prepared:
        sys.exit(f"{sys.executable} lacks the packages of vLLM's benchmark client (expected: setup-vllm-env.sh was run)")
    os.environ["INFINI_VLLM_PYTHON"] = prepared
    os.execv(prepared, [prepared, *sys.argv])


def import_serve(vllm_dir: str) -> Any:
    source = Path(vllm_dir).resolve()
    if not (source / "vllm" / "benchmarks" / "serve.py").is_file():
        sys.exit(f"VLLM_DIR: {vllm_dir} has no vllm/benchmarks/serve.py (expected: a checkout of vLLM)")
    os.environ.setdefault("USE_TORCH", "0")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    sys.path.insert(0, str(source))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH")]))
    from vllm.benchmarks import serve

    # A folder with a tokenizer and no config.json of a model is enough here; vLLM logs an error for it.
    lookups = logging.getLogger("vllm.transformers_utils.repo_utils")
    lookups.addFilter(lambda record: "model_type" not in record.getMessage())
    return serve


def parse(serve: Any, arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run_benchmark.py VLLM_DIR")
    serve.add_cli_args(parser)
    return parser.parse_args(arguments)


def check(vllm_dir: str, tokenizer_dir: str) -> None:
    serve = import_serve(vllm_dir)
    with tempfile.TemporaryDirectory() as folder:
        dataset = Path(folder) / "check.jsonl"
        dataset.write_text("".join(json.dumps({"prompt": f"Question {i}?"}) + "\n" for i in range(3)))
        flags = ["--backend", "openai", "--dataset-name", "custom", "--dataset-path", str(dataset), "--num-prompts", "3"]
        arguments = parse(serve, [*flags, "--model", "check", "--tokenizer", tokenizer_dir])
        samples = serve.get_samples(arguments, serve.get_tokenizer(tokenizer_dir))
    if len(samples) != 3 or not all(s.prompt_len > 3 for s in samples):
        sys.exit(f"the custom data set gave {len(samples)} requests (expected: 3 with a prompt)")
    try:
        from vllm.version import __version__ as version
    except ImportError:
        version = "of unknown version"
    print(version)


def bypass_proxy(host: str) -> None:
    """No proxy between the client and the machine that it measures."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), host]))


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__, file=sys.stdout if len(sys.argv) > 1 else sys.stderr)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    use_prepared_python()
    vllm_dir, *arguments = sys.argv[1:]
    if arguments[:1] == ["--check"]:
        check(vllm_dir, *arguments[1:2])
        return
    serve = import_serve(vllm_dir)
    parsed = parse(serve, arguments)
    bypass_proxy(parsed.host)
    result = asyncio.run(serve.main_async(parsed))
    completed = result.get("completed") if isinstance(result, dict) else None
    if completed == 0:
        sys.exit("no request was answered; see the errors above")


if __name__ == "__main__":
    main()
