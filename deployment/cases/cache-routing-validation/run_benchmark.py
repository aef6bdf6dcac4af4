#!/usr/bin/env python3
"""Run vLLM's `bench serve` from vLLM's source: run_benchmark.py VLLM_DIR [arguments of `vllm bench serve`]."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).resolve().parents[1] / "common" / "run_benchmark.py"), run_name="__main__")
