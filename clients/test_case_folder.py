"""The scripts of the case folder, called from another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from deployment import CASE, Deployment, case_environment, run


def python(script: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CACHE_TYPE_", "INFINI_"))}
    command = [sys.executable, str(CASE / script), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_validate_ends_green(deployment: Deployment) -> None:
    checked = deployment.script("validate.sh")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_starting_twice_starts_nothing(deployment: Deployment) -> None:
    again = deployment.script("start-master.sh")
    assert again.returncode == 0, again.stdout + again.stderr
    assert str(deployment.router_port) in again.stdout


def test_a_folder_without_a_gguf_is_refused_naming_both_choices(tmp_path: Path) -> None:
    environment, _ = case_environment(tmp_path, MODEL1_DIR=str(tmp_path))
    refused = run([str(CASE / "start-master.sh")], environment, 30)
    assert refused.returncode == 1
    assert str(tmp_path) in refused.stderr
    assert "GGUF" in refused.stderr
    assert "vLLM" in refused.stderr


def test_a_dataset_is_written_and_counted(tmp_path: Path) -> None:
    written = python("gen-large-context.py", "--num-large-context", "1", "--large-context-len", "60000", cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    assert "8 of 32 requests lie above the threshold of 51200" in written.stdout
    records = [json.loads(line) for line in (tmp_path / "large_context.jsonl").read_text().splitlines()]
    assert len(records) == 32
    assert all(r["messages"][-1]["role"] == "user" for r in records)
    assert list(records[0]) == ["prompt", "messages", "conversation_id", "message_index", "has_large_context"]


def test_the_datasets_defaults_warn_that_nothing_is_large(tmp_path: Path) -> None:
    written = python("gen-large-context.py", cwd=tmp_path)
    assert written.returncode == 0
    assert "warning: no request lies above the threshold" in written.stderr


def test_a_bad_value_is_named(tmp_path: Path) -> None:
    refused = python("gen-large-context.py", "--large-context-prob", "2", cwd=tmp_path)
    assert refused.returncode == 1
    assert "--large-context-prob: 2 (expected: a number 0.0..1.0)" in refused.stderr


def test_two_results_are_compared(tmp_path: Path) -> None:
    latencies = {f"{s}_{m}_ms": 100.0 for s in ("mean", "median", "p99") for m in ("ttft", "tpot")}
    rates = {"output_throughput": 10.0, "total_token_throughput": 20.0, "request_throughput": 0.5}
    for side, factor in (("paged", 1.0), ("static", 1.5)):
        head = {"date": "20260101-000000", "label": side, "completed": 16, "failed": 0}
        result = head | {k: v * factor for k, v in latencies.items()} | rates
        (tmp_path / f"{side}-cache-1.0qps.json").write_text(json.dumps(result))
    files = [f"{side}-cache-1.0qps.json" for side in ("paged", "static")]
    compared = python("compare-cache-types.py", *files, cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert "+50.00 %" in compared.stdout
    missing = python("compare-cache-types.py", files[0], cwd=tmp_path)
    assert missing.returncode == 1
    assert "static" in missing.stderr
