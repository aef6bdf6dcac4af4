"""Every command block of the case's README, in order, with vLLM's own bench; only the host paths are replaced.

vLLM's Python files (340 MB to fetch once) and its client's packages (425 MB) are kept in target/clients/vllm.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from command_blocks import blocks, path_without_conda, run_blocks
from deployment import BUNDLED_MODEL, CASE, HOME, INFINI, case_environment, run

KEPT = HOME / "target" / "clients" / "vllm"

# The commands of the original's README, without its host paths.
SEED_COMMANDS = """export MODEL1_DIR=
export VLLM_DIR=
export CONDA_ENV_NAME=vllm-bench
export CACHE_TYPE_ROUTING_THRESHOLD=51200
./setup-vllm-env.sh
./start-master.sh [REGISTRY_IP]
./validate.sh [REGISTRY_IP]
python gen-large-context.py --num-conversations 4 --messages-per-conv 8 --context-len 1024 --new-msg-len 128 --large-context-prob 0.5 --large-context-len 2048 --output large_context.jsonl
conda activate vllm-bench
./bench-size-based-routing.sh [REGISTRY_IP]
conda activate vllm-bench
python compare-cache-types.py results/paged-cache-*.json results/static-cache-*.json
export CACHE_TYPE_ROUTING_THRESHOLD=51200""".splitlines()


@pytest.fixture(scope="module")
def vllm() -> Path:
    """vLLM's Python files and the prepared environment, made by the case's own script."""
    environment = os.environ | {
        "VLLM_DIR": str(KEPT / "source"),
        "XDG_DATA_HOME": str(KEPT / "data"),
        "PATH": path_without_conda(),
        "CONDA_ENV_NAME": "vllm-bench",
    }
    try:
        ready = run([str(CASE / "setup-vllm-env.sh"), "--download"], environment, 1500)
    except subprocess.TimeoutExpired:
        pytest.fail("vLLM's bench could not be fetched from PyPI within 25 minutes", pytrace=False)
    if ready.returncode != 0:
        pytest.fail(f"vLLM's bench could not be prepared from PyPI:\n{ready.stdout}{ready.stderr}", pytrace=False)
    return KEPT


def test_the_page_holds_the_commands_of_the_original() -> None:
    text = "\n".join(blocks(CASE / "README.md")).replace("\\\n", " ")
    lines = [re.sub(r"\s+", " ", line.split(" #")[0]).strip() for line in text.splitlines()]
    lines = [re.sub(r"(MODEL1_DIR|VLLM_DIR)=.*", r"\1=", line) for line in lines]
    at = -1
    for command in SEED_COMMANDS:
        assert command in lines[at + 1 :], f"after line {at + 1} of the blocks: {command}"
        at = lines.index(command, at + 1)


def test_every_command_block_runs(tmp_path: Path, vllm: Path) -> None:
    home = checkout(tmp_path / "InfiniLM-SVC")
    case = home / CASE.relative_to(HOME)
    model = tmp_path / "9g_8b_thinking_llama"
    shutil.copytree(HOME / "model" / "tokenizer", model)
    (model / BUNDLED_MODEL.name).symlink_to(BUNDLED_MODEL)
    environment, _ = case_environment(tmp_path / "deployment")
    environment |= {"XDG_DATA_HOME": str(vllm / "data"), "PATH": path_without_conda(), "MODEL1_DIR": ""}
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    paths = {
        "/path/to/9g_8b_thinking_llama": str(model),
        "/path/to/vllm": str(vllm / "source"),
        "/path/to/InfiniLM-SVC": str(home),
    }
    texts = blocks(case / "README.md")
    for old, new in paths.items():
        texts = [text.replace(old, new) for text in texts]
    assert not [text for text in texts if "/path/to" in text]
    try:
        code, printed = run_blocks(texts, outside, environment, 1500)
    finally:
        run([str(INFINI), "down"], environment, 60)
    assert code == 0, printed[-6000:]

    assert "client: vLLM's bench" in printed
    assert "routing accuracy: 100.00%" in printed
    seen = results(case / "results")
    assert set(seen) == {"size-based-routing", "paged-cache", "static-cache"}
    for label, result in seen.items():
        assert (label, result["completed"], result["failed"]) == (label, 16, 0)
        assert result["total_output_tokens"] > 0
    pools = seen["size-based-routing"]["routing"]["pools"]
    assert (pools["paged"]["requests"], pools["static"]["requests"]) == (12, 4)
    assert seen["size-based-routing"]["routing"]["counters_agree"] is True
    compared = printed.rpartition("@@ block")[0].rpartition("@@ block")[2]
    assert "Mean TTFT" in compared
    assert "paged-cache-" in compared
    assert "static-cache-" in compared


def checkout(folder: Path) -> Path:
    """The case folders in a checkout of their own, so that what blocks write beside the scripts stays out of this one."""
    folder.mkdir()
    written = shutil.ignore_patterns("__pycache__", "*.json", "*.jsonl", "*.log", "*.made", ".env")
    shutil.copytree(HOME / "deployment", folder / "deployment", ignore=written)
    for name in ("bin", "model"):
        (folder / name).symlink_to(HOME / name)
    return folder


def results(folder: Path) -> dict[str, dict]:
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return {result["label"]: result for result in found}


