"""The container's files without a container engine: the entrypoint and its health check run as they are, the rest is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployment import HOME, models_at, wait_for
from launched import Installation, end_process, flag, installation

ENTRYPOINT, HEALTH = "docker_entrypoint.sh", "healthcheck.sh"
GRACE_SECONDS = 10  # of `docker stop`


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path) as made:
        yield made


def test_all_components_serve_and_end_with_sigterm(tmp_path: Path) -> None:
    with installation(tmp_path, real=True) as made:
        assert made.run(HEALTH).returncode == 1
        with made.started(ENTRYPOINT) as process:
            router = f"http://127.0.0.1:{made.router_port}"
            try:
                wait_for("a model", lambda: models_at(router) == ["9g_8b_thinking"], 90)
            except TimeoutError as e:
                raise AssertionError(f"{e}\n{made.output.read_text()}") from e
            healthy = made.run(HEALTH)
            assert healthy.returncode == 0, healthy.stderr
            code, seconds = end_process(process, 30)
            assert code == 0
            assert seconds < GRACE_SECONDS
            assert made.busy() == []
    assert "registry listens" in made.output.read_text()


def test_none_is_an_idle_container(fakes: Installation) -> None:
    with fakes.started(ENTRYPOINT, LAUNCH_COMPONENTS=" None ") as process:
        fakes.said("idle")
        assert fakes.run(HEALTH, LAUNCH_COMPONENTS=" None ").returncode == 0
        code, seconds = end_process(process, 10)
    assert code == 0
    assert seconds < 5
    assert not any(fakes.calls(p) for p in ("registry", "router", "babysitter"))


def test_a_babysitter_alone_follows_the_remote_registry(fakes: Installation) -> None:
    remote = {"REGISTRY_URL": "http://10.0.0.1:18000", "ROUTER_URL": "http://10.0.0.1:8000", "BABYSITTER_HOST": "10.0.0.2"}
    ignored = {"BABYSITTER_REGISTRY_URL": "http://localhost:1", "BABYSITTER_ROUTER_URL": "http://localhost:2"}
    with fakes.started(ENTRYPOINT, LAUNCH_COMPONENTS="babysitter", **remote, **ignored):
        wait_for("the babysitter", lambda: bool(fakes.calls("babysitter")), 30)
        (call,) = fakes.calls("babysitter")
    assert flag(call, "--registry-url") == "http://10.0.0.1:18000"
    assert flag(call, "--router-url") == "http://10.0.0.1:8000"
    assert flag(call, "--host") == "10.0.0.2"
    assert not fakes.calls("registry")
    assert not fakes.calls("router")


def test_without_a_remote_registry_a_lone_babysitter_is_told_none(fakes: Installation) -> None:
    with fakes.started(ENTRYPOINT, LAUNCH_COMPONENTS="babysitter", BABYSITTER_REGISTRY_URL="http://localhost:1"):
        wait_for("the babysitter", lambda: bool(fakes.calls("babysitter")), 30)
        (call,) = fakes.calls("babysitter")
    assert not {"--registry-url", "--router-url", "--host"} & set(call)


def test_local_components_are_told_of_each_other(fakes: Installation) -> None:
    with fakes.started(ENTRYPOINT, BABYSITTER_ROUTER_URL="http://here:8000", REGISTRY_URL="http://10.0.0.1:18000"):
        wait_for("the babysitter", lambda: bool(fakes.calls("babysitter")), 30)
        (router,), (babysitter,) = fakes.calls("router"), fakes.calls("babysitter")
    local = f"http://localhost:{fakes.registry_port}"
    assert flag(router, "--registry-url") == local
    assert flag(babysitter, "--registry-url") == local
    assert flag(babysitter, "--router-url") == "http://here:8000"


def test_case_spaces_and_unknown_words_do_not_matter(fakes: Installation) -> None:
    with fakes.started(ENTRYPOINT, LAUNCH_COMPONENTS=" Registry , ROUTER, dashboard"):
        wait_for("the router", lambda: bool(fakes.calls("router")), 30)
        fakes.said("router: started")
    assert "warning: LAUNCH_COMPONENTS: dashboard (expected: all, none, registry, router or babysitter)" in fakes.output.read_text()
    assert fakes.calls("registry")
    assert not fakes.calls("babysitter")


def test_a_router_alone_follows_the_remote_registry(fakes: Installation) -> None:
    with fakes.started(ENTRYPOINT, LAUNCH_COMPONENTS="router", REGISTRY_URL="http://10.0.0.1:18000"):
        wait_for("the router", lambda: bool(fakes.calls("router")), 30)
        assert flag(fakes.calls("router")[0], "--registry-url") == "http://10.0.0.1:18000"
        assert fakes.run(HEALTH, LAUNCH_COMPONENTS="router").returncode == 0
        assert fakes.run(HEALTH, LAUNCH_COMPONENTS="router,registry").returncode == 1


@pytest.mark.parametrize("program", ["registry", "router", "babysitter"])
def test_a_program_that_does_not_start_ends_the_container_with_1(fakes: Installation, program: str) -> None:
    ended = fakes.run(ENTRYPOINT, **{f"FAKE_LIFE_{program.upper()}": "ends:0:3"})
    assert ended.returncode == 1
    assert "exit code 3" in ended.stderr
    assert fakes.busy() == []


def test_a_program_that_ends_later_ends_the_container_with_its_code(fakes: Installation) -> None:
    with fakes.started(ENTRYPOINT, FAKE_LIFE_BABYSITTER="ends:4:9") as process:
        assert process.wait(60) == 9
    assert "babysitter_simulated: ended by itself with exit code 9" in fakes.output.read_text()
    assert fakes.busy() == []


def test_what_ignores_sigterm_does_not_outlive_the_grace_time(fakes: Installation) -> None:
    with fakes.started(ENTRYPOINT, FAKE_LIFE_ROUTER="stubborn", LAUNCH_COMPONENTS="registry,router") as process:
        wait_for("the router", lambda: (fakes.noted / "child").exists(), 30)
        fakes.said("router: started")
        code, seconds = end_process(process, 30)
    assert code == 0
    assert seconds < GRACE_SECONDS
    assert fakes.busy() == []


def test_without_a_launcher_it_says_where_it_looked(fakes: Installation) -> None:
    (fakes.root / "script" / "launch_all_rust.sh").unlink()
    ended = fakes.run(ENTRYPOINT)
    assert ended.returncode == 1
    assert str(fakes.root) in ended.stderr


def test_arguments_are_run_instead(fakes: Installation) -> None:
    ran = fakes.run(ENTRYPOINT, "sh", "-c", "pwd; exit 4")
    assert ran.returncode == 4
    assert ran.stdout.strip() == str(fakes.root)


def test_a_dead_proxy_is_a_warning_without_its_password(fakes: Installation) -> None:
    with fakes.started(ENTRYPOINT, LAUNCH_COMPONENTS="none", HTTP_PROXY="http://me:secret@127.0.0.1:9/") as process:
        fakes.said("idle")
        end_process(process, 10)
    said = fakes.output.read_text()
    assert "warning: HTTP_PROXY: nothing answers at 127.0.0.1:9" in said
    assert "secret" not in said


# --- Dockerfile and compose.yaml -------------------------------------------------------------------------------------------


def dockerfile() -> list[str]:
    text = re.sub(r"\\\n\s*", "", (HOME / "Dockerfile").read_text())
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_all_that_the_dockerfile_copies_is_there_and_in_its_context() -> None:
    ignored = (HOME / ".dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in ignored if line.startswith("!")]
    for line in dockerfile():
        if not line.startswith("COPY ") or "--from" in line:
            continue
        for source in line.split()[1:-1]:
            assert (HOME / source).exists(), source
            assert any(source == a or source.startswith(f"{a}/") or a.startswith(f"{source}/") for a in allowed), source


def test_the_image_runs_as_an_ordinary_user_with_a_health_check() -> None:
    lines = dockerfile()
    last = lines[max(i for i, x in enumerate(lines) if x.startswith("FROM ")) :]
    assert [x for x in last if x.startswith("USER ")] == ["USER 10001:10001"]
    assert any(x.startswith("HEALTHCHECK ") for x in last)
    assert last[-1] == 'ENTRYPOINT ["/app/docker_entrypoint.sh"]'
    assert not any(re.search(r"(?i)(token|secret|password)\s*=", x) for x in lines)


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((HOME / "compose.yaml").read_text())
    return read


def test_every_service_is_confined_and_only_the_router_is_published_on_loopback() -> None:
    services = compose()["services"]
    assert set(services) == {"registry", "router", "paged", "static"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["mem_limit"]
        assert service["restart"] == "unless-stopped"
    assert {n: s["ports"] for n, s in services.items() if "ports" in s} == {
        "router": ["${ROUTER_ADDRESS:-127.0.0.1}:${ROUTER_PORT:-8000}:8000"]
    }


def test_every_service_starts_what_its_name_says() -> None:
    services = compose()["services"]
    wanted = {"registry": "registry", "router": "router", "paged": "babysitter", "static": "babysitter"}
    assert {n: s["environment"]["LAUNCH_COMPONENTS"] for n, s in services.items()} == wanted
    for name in ("paged", "static"):
        environment = services[name]["environment"]
        assert environment["BABYSITTER_HOST"] == name
        config = HOME / "deployment/cases/cache-type-routing-validation/config" / environment["BABYSITTER_CONFIGS"]
        assert f'cache_type = "{name}"' in config.read_text()
    for service in services.values():
        for other in service.get("depends_on", {}):
            assert other in services
        stop = int(service["environment"].get("STOP_TIMEOUT_SECONDS", 9))
        assert stop < int(service["stop_grace_period"].removesuffix("s"))
