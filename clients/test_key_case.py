"""The case with two equal instances and affinity by prompt_cache_key: its scripts, called from another folder."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployment import CASE, INFINI, free_ports, is_free, run, wait_for

KEY_CASE = CASE.with_name("cache-routing-validation")
SMALL = {"NUM_CONVERSATIONS": "6", "MESSAGES_PER_CONV": "3", "CONTEXT_LEN": "600", "REQUEST_RATE": "2", "OUTPUT_LEN": "8"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The running case's settings, on free ports."""
    folder = tmp_path_factory.mktemp("keys")
    first = free_ports(6)
    (folder / "config").mkdir()
    (folder / "run").mkdir(mode=0o700)
    for name, old, new in (("master", 8100, first + 2), ("slave", 8200, first + 4)):
        text = (KEY_CASE / "config" / f"{name}-9g_8b_thinking.toml").read_text()
        (folder / "config" / f"{name}-9g_8b_thinking.toml").write_text(re.sub(rf"(?m)^port = {old}$", f"port = {new}", text))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("INFINI_", "CACHE_TYPE_", "PROXY_"))}
    settings = kept | {
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_STATE_HOME": str(folder / "state"),
        "CONFIG_DIR": str(folder / "config"),
        "REGISTRY_PORT": str(first),
        "ROUTER_PORT": str(first + 1),
        "MODEL1_DIR": "",
        "START_TIMEOUT_SECONDS": "60",
        "RESULTS_DIR": str(folder / "results"),
        "DATASET_FILE": str(folder / "data.jsonl"),
        "SLAVE_PORT": str(first + 4),
    }
    try:
        started = run([str(KEY_CASE / "start-master.sh")], settings, 120)
        assert started.returncode == 0, started.stdout + started.stderr
        yield settings
    finally:
        run([str(INFINI), "down"], settings, 60)


def test_validate_ends_green(environment: dict[str, str]) -> None:
    checked = run([str(KEY_CASE / "validate.sh")], environment, 180)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Failed: 0" in checked.stdout


def test_the_three_benchmarks_differ_and_compare(environment: dict[str, str]) -> None:
    cached = {}
    for script, label in (("single", "single-instance"), ("roundrobin", "round-robin"), ("cache-routing", "cache-routing")):
        done = run([str(KEY_CASE / f"bench-{script}.sh")], environment | SMALL, 180)
        assert done.returncode == 0, done.stdout + done.stderr
        [file] = Path(environment["RESULTS_DIR"]).glob(f"{label}-*.json")
        result = json.loads(file.read_text())
        assert (result["completed"], result["failed"]) == (18, 0)
        homes: dict[str, set[str]] = {}
        for request, line in zip(result["requests"], dataset(environment), strict=True):
            homes.setdefault(line["prompt_cache_key"], set()).add(request["instance"])
        cached[label] = sum(request["cached_tokens"] for request in result["requests"])
        if label == "cache-routing":
            assert {len(instances) for instances in homes.values()} == {1}
        elif label == "round-robin":
            assert max(len(instances) for instances in homes.values()) == 2
        else:
            assert len(set.union(*homes.values())) == 1
    assert cached["cache-routing"] > cached["round-robin"]
    found = {label: str(next(Path(environment["RESULTS_DIR"]).glob(f"{label}-*.json"))) for label in cached}
    compared = run(
        [
            str(KEY_CASE / "compare-results.py"),
            *("--single", found["single-instance"]),
            *("--roundrobin", found["round-robin"]),
            *("--cache-routing", found["cache-routing"]),
        ],
        environment,
        60,
    )
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert "Mean TTFT" in compared.stdout


def dataset(environment: dict[str, str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(environment["DATASET_FILE"]).read_text().splitlines()]


def test_a_lost_instance_is_a_failed_validation(environment: dict[str, str]) -> None:
    status = json.loads(run([str(INFINI), "status", "--json"], environment, 30).stdout)
    babysitter = next(part["pid"] for part in status["parts"] if part["name"] == "slave-9g_8b_thinking")
    os.kill(babysitter, signal.SIGKILL)
    wait_for("the engine of a lost babysitter ends", lambda: is_free(int(environment["SLAVE_PORT"])), 20)
    checked = run([str(KEY_CASE / "validate.sh")], environment, 180)
    assert checked.returncode == 1, checked.stdout
    assert "FAILED" in checked.stdout
    assert "slave-9g_8b_thinking" in checked.stdout
