"""script/launch_all_rust.sh and script/stop_all.sh: with the real programs once, else with programs that note how they were called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployment import free_ports, get, models_at, wait_for
from launched import Installation, alive, flag, installation

LAUNCH, STOP = "script/launch_all_rust.sh", "script/stop_all.sh"


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        yield made


def test_the_real_programs_start_serve_and_end(tmp_path: Path) -> None:
    with installation(tmp_path, real=True) as made:
        registry = f"http://127.0.0.1:{made.registry_port}"
        router = f"http://127.0.0.1:{made.router_port}"
        started = made.run(LAUNCH, BABYSITTER_REGISTRY_URL=registry, ROUTER_REGISTRY_URL=registry)
        assert started.returncode == 0, started.stdout + started.stderr
        wait_for("a model", lambda: models_at(router) == ["9g_8b_thinking"], 60)
        again = made.run(LAUNCH)
        assert again.returncode == 0
        assert again.stdout.count("already running") == 3
        assert any((made.root / "logs").glob("registry_??????????.log"))
        ended = made.run(STOP)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert made.busy() == []
        assert made.run(STOP).returncode == 1


def test_the_flags_are_those_of_the_environment(fakes: Installation) -> None:
    times = {"REGISTRY_HEALTH_INTERVAL": "31", "REGISTRY_HEALTH_TIMEOUT": "6", "REGISTRY_CLEANUP_INTERVAL": "61"}
    times |= {"ROUTER_HEALTH_INTERVAL": "32", "ROUTER_HEALTH_TIMEOUT": "7"}
    whom = {"BABYSITTER_HOST": "10.0.0.9", "BABYSITTER_REGISTRY_URL": "http://r:1", "BABYSITTER_ROUTER_URL": "http://o:2"}
    started = fakes.run(LAUNCH, **times, **whom)
    assert started.returncode == 0, started.stderr
    (registry,), (router,), (babysitter,) = (fakes.calls(p) for p in ("registry", "router", "babysitter"))
    assert flag(registry, "--port") == str(fakes.registry_port)
    assert [flag(registry, f"--{x}") for x in ("health-interval", "health-timeout", "cleanup-interval")] == ["31", "6", "61"]
    assert flag(router, "--router-port") == str(fakes.router_port)
    assert flag(router, "--registry-url") == f"http://localhost:{fakes.registry_port}"
    assert [flag(router, f"--{x}") for x in ("health-interval", "health-timeout", "registry-sync-interval")] == ["32", "7", "1"]
    assert flag(babysitter, "--config-file") == str(fakes.root / "config" / "simulated.toml")
    assert [flag(babysitter, f"--{x}") for x in ("host", "registry-url", "router-url")] == ["10.0.0.9", "http://r:1", "http://o:2"]


def test_several_configs_get_a_babysitter_each_and_only_they_start(fakes: Installation) -> None:
    for name in ("a.toml", "b.toml"):
        (fakes.root / "config" / name).write_text("")
    outside = fakes.root.parent / "c.toml"
    outside.write_text("")
    only = {"LAUNCH_REGISTRY": "false", "LAUNCH_ROUTER": "FALSE"}
    started = fakes.run(LAUNCH, BABYSITTER_CONFIGS=f"a.toml  b.toml {outside}", **only)
    assert started.returncode == 0, started.stderr
    files = {flag(call, "--config-file") for call in fakes.calls("babysitter")}
    assert files == {str(fakes.root / "config" / "a.toml"), str(fakes.root / "config" / "b.toml"), str(outside)}
    assert not fakes.calls("registry")
    assert not fakes.calls("router")
    assert not {"--host", "--registry-url", "--router-url"} & set(fakes.calls("babysitter")[0])
    assert fakes.run(STOP).stdout.count("ending, PID") == 3


def test_a_registry_that_dies_ends_the_start(fakes: Installation) -> None:
    refused = fakes.run(LAUNCH, FAKE_LIFE_REGISTRY="ends:0:3")
    assert refused.returncode == 1
    assert "exit code 3" in refused.stderr
    assert "no luck today" in refused.stderr
    assert not fakes.calls("router")
    assert not (fakes.root / "logs" / "registry.pid").exists()


def test_a_babysitter_that_dies_is_a_failure_and_the_rest_stays(fakes: Installation) -> None:
    refused = fakes.run(LAUNCH, FAKE_LIFE_BABYSITTER="ends:0.2:5")
    assert refused.returncode == 1
    assert "babysitter_simulated: ended with exit code 5" in refused.stderr
    assert alive(fakes.pid("router"))


def test_a_port_that_another_program_holds_is_refused_and_that_program_lives(fakes: Installation) -> None:
    port = free_ports()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as foreign:
        try:
            wait_for("a foreign server", lambda: get(f"http://127.0.0.1:{port}/")[0] == 200, 15)
            refused = fakes.run(LAUNCH, ROUTER_PORT=str(port))
            assert refused.returncode == 1
            assert f"port {port} is in use by another program" in refused.stderr
            assert fakes.run(STOP).returncode == 0
            assert foreign.poll() is None
        finally:
            foreign.terminate()


def test_a_pid_that_was_given_to_another_process_is_left_alone(fakes: Installation) -> None:
    with subprocess.Popen(["sleep", "60"]) as foreign:
        try:
            logs = fakes.root / "logs"
            logs.mkdir()
            (logs / "router.pid").write_text(f"{foreign.pid}\n")
            (logs / "router.pid.start").write_text("1\n")
            (logs / "registry.pid").write_text(f"{foreign.pid}\n")
            nothing = fakes.run(STOP)
            assert nothing.returncode == 1
            assert "nothing was running" in nothing.stderr
            assert foreign.poll() is None
            assert not list(logs.glob("*.pid*"))
        finally:
            foreign.terminate()


def test_what_ignores_sigterm_is_killed_with_its_children(fakes: Installation) -> None:
    assert fakes.run(LAUNCH, FAKE_LIFE_ROUTER="stubborn").returncode == 0
    router, child = fakes.pid("router"), int((fakes.noted / "child").read_text())
    ended = fakes.run(STOP, STOP_TIMEOUT_SECONDS="1")
    assert ended.returncode == 0, ended.stderr
    assert f"killed process {router}" in ended.stderr
    wait_for("both dead", lambda: not alive(router) and not alive(child), 5)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("REGISTRY_PORT", "70000", "1..65535"),
        ("ROUTER_PORT", "eight", "1..65535"),
        ("ROUTER_WAIT_TIMEOUT", "0", "1..86400"),
        ("LAUNCH_ROUTER", "maybe", "true or false"),
    ],
)
def test_a_wrong_value_is_named(fakes: Installation, variable: str, value: str, expected: str) -> None:
    refused = fakes.run(LAUNCH, **{variable: value})
    assert refused.returncode == 2
    assert f"{variable}: {value} (expected: {expected})" in refused.stderr
    assert not fakes.calls("registry")


def test_a_config_that_is_not_there_is_named(fakes: Installation) -> None:
    refused = fakes.run(LAUNCH, BABYSITTER_CONFIGS="config/simulated.toml")
    assert refused.returncode == 1
    assert str(fakes.root / "config" / "config" / "simulated.toml") in refused.stderr


def test_a_program_that_is_not_there_is_named(fakes: Installation) -> None:
    refused = fakes.run(LAUNCH, REGISTRY_BIN="/nowhere/infini-registry")
    assert refused.returncode == 1
    assert "/nowhere/infini-registry" in refused.stderr
