"""The case's benchmark scripts without vLLM's source, and what they do with data sets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from command_blocks import path_without_conda
from deployment import CASE, HOME, INFINI, MODEL, Deployment, run

sys.path.insert(0, str(HOME / "deployment" / "cases" / "common"))
from case_dataset import prepare  # noqa: E402

SMALL = {"NUM_CONVERSATIONS": "2", "MESSAGES_PER_CONV": "2", "REQUEST_RATE": "inf", "OUTPUT_LEN": "16"}


def without_vllm(folder: Path) -> dict[str, str]:
    return {"XDG_DATA_HOME": str(folder / "data"), "PATH": path_without_conda(), "RESULTS_DIR": str(folder / "results")}


def bench(deployment: Deployment, folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    settings = {"DATASET_FILE": str(folder / "data.jsonl")} | SMALL | without_vllm(folder) | extra
    return run([str(CASE / "bench-size-based-routing.sh")], deployment.environment | settings, 240)


def test_without_vllm_our_own_client_runs_and_says_so(deployment: Deployment, tmp_path: Path) -> None:
    done = bench(deployment, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "client: infini bench (no vLLM source" in done.stdout
    assert "routing accuracy: 100.00%" in done.stdout
    results = {r["label"]: r for r in (json.loads(p.read_text()) for p in (tmp_path / "results").glob("*.json"))}
    assert set(results) == {"size-based-routing", "paged-cache", "static-cache"}
    assert {r["completed"] for r in results.values()} == {4}
    assert len({r["workload"]["sha256"] for r in results.values()}) == 1
    pools = results["size-based-routing"]["routing"]["pools"]
    assert (pools["paged"]["requests"], pools["static"]["requests"]) == (2, 2)


def test_no_answer_at_all_is_exit_code_1(deployment: Deployment, tmp_path: Path) -> None:
    done = bench(deployment, tmp_path, OUTPUT_LEN="1000000", REQUEST_RATE="inf")
    assert done.returncode == 1, done.stdout
    assert "nothing was answered" in done.stderr


def test_what_is_missing_is_named(deployment: Deployment, tmp_path: Path) -> None:
    model = bench(deployment, tmp_path, MODEL="other")
    assert model.returncode == 1
    assert f"MODEL: other is not offered by {deployment.router} (expected: one of {MODEL})" in model.stderr
    router = bench(deployment, tmp_path, ROUTER_PORT="1")
    assert router.returncode == 1
    assert "start-master.sh" in router.stderr
    rate = bench(deployment, tmp_path, REQUEST_RATE="-1")
    assert rate.returncode == 2
    assert "REQUEST_RATE: -1" in rate.stderr


@pytest.mark.parametrize("given", ["", "/nonexistent"])
def test_a_missing_vllm_is_named(tmp_path: Path, given: str) -> None:
    environment = without_vllm(tmp_path) | {"HOME": str(tmp_path), "VLLM_DIR": given}
    refused = run([str(CASE / "setup-vllm-env.sh")], environment, 30)
    assert refused.returncode == 1
    assert "VLLM_DIR" in refused.stderr
    assert "/home/zenghua/repos/vllm" in refused.stderr


def test_a_data_set_of_ours_follows_its_parameters(tmp_path: Path) -> None:
    file = tmp_path / "made.jsonl"
    first = prepare(INFINI, "gen-large-context", ["--num-conversations", "2"], file)
    again = prepare(INFINI, "gen-large-context", ["--num-conversations", "2"], file)
    changed = prepare(INFINI, "gen-large-context", ["--num-conversations", "3"], file)
    assert (first.lines, again.sha256, changed.lines) == (16, first.sha256, 24)


def test_a_data_set_of_the_users_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"prompt": "Who are you?"}\n')
    assert prepare(INFINI, "gen-large-context", ["--num-conversations", "2"], file).lines == 1
    made = tmp_path / "made.jsonl"
    prepare(INFINI, "gen-large-context", ["--num-conversations", "2"], made)
    made.write_text(made.read_text() + '{"prompt": "And who are they?"}\n')
    assert prepare(INFINI, "gen-large-context", ["--num-conversations", "3"], made).lines == 17


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text('{"prompt": "Who are you?"}\n{"prompt": \n')
    with pytest.raises(ValueError, match="broken.jsonl, line 2"):
        prepare(INFINI, "gen-large-context", [], file)
