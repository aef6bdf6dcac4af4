"""Real engines that are killed, ended in mid-stream, slow to start, or want a key."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deployment import INFINI, free_ports, get, running, wait_for
from fleet import START_SECONDS, Fleet, Kind, ask, chat, gauge
from fleet import fleet as fleet_of

CHAT = "/v1/chat/completions"
KEY = "engine-key-0123456789"


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def listener(base: str) -> int:
    """The process that listens there."""
    port = f"{int(base.rsplit(':', 1)[1]):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{f[9]}]" for f in lines if f[1].endswith(f":{port}") and f[3] == "0A"}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(fd) in inodes for fd in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue
    raise OSError(f"nothing listens at {base}")


class Asking:
    """Chats one after another beside a fault; what was not 200 is kept."""

    def __init__(self, base: str, **more: Any) -> None:
        self.base, self.more = base, more
        self.answered, self.failed = 0, [""][:0]
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        while not self.over.is_set():
            try:
                answer = ask(self.base, CHAT, chat("Hello", **self.more))
                if answer.status == 200:
                    self.answered += 1
                else:
                    self.failed.append(f"{answer.status} {answer.body[:300]!r}")
            except OSError as e:
                self.failed.append(repr(e))

    def __enter__(self) -> Asking:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(120)


@pytest.fixture(scope="module")
def mortals(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(kind, tmp_path_factory.mktemp("faults"), "--threshold", "1000000") as started:
        yield started


@pytest.fixture
def mortal(mortals: Fleet) -> Fleet:
    """With both instances in service, whatever the test before did."""
    mortals.whole()
    return mortals


def test_the_engine_is_killed_and_nobody_notices(mortal: Fleet) -> None:
    with Asking(mortal.router, max_tokens=4) as asking:
        wait_for("the first answers", lambda: asking.answered > 3, 60)
        killed = listener(mortal.paged)
        os.kill(killed, signal.SIGKILL)
        wait_for("its end", lambda: not alive(killed), 10)
        wait_for("its return", lambda: mortal.routable() == 2, START_SECONDS[mortal.kind.name])
        seen = asking.answered
        wait_for("further answers", lambda: asking.answered > seen + 3, 60)
    assert asking.failed == []


def test_a_worker_is_killed_and_the_instance_comes_back(mortal: Fleet) -> None:
    main = listener(mortal.paged)
    workers = [p for p in children(main) if "EngineCore" in words(p) or "Worker" in words(p)]
    if mortal.kind.name == "vllm":
        assert workers, [words(p) for p in children(main)]
    for worker in workers[:1]:
        os.kill(worker, signal.SIGKILL)
        wait_for("the end of all of it", lambda: not alive(main), 90)
        wait_for("another one", lambda: answers(mortal.paged), START_SECONDS[mortal.kind.name])
    mortal.whole()
    assert ask(mortal.paged, CHAT, chat("Hello", max_tokens=2)).status == 200


def test_a_stream_that_has_begun_ends_whole_when_the_babysitter_is_ended(kind: Kind, tmp_path: Path) -> None:
    port, registry = free_ports(4), 0
    registry = port + 2
    base, at = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{registry}"
    file = tmp_path / "one.toml"
    file.write_text(kind.toml("one", port, registry, "paged"))
    registry_command = [str(INFINI), "registry", "--host", "127.0.0.1", "--port", str(registry), "--data-dir", ""]
    command = [str(INFINI), "babysitter", "--config-file", str(file)]
    with running(registry_command, tmp_path / "registry.log"):
        with running(command, tmp_path / "one.log", 90) as babysitter:
            wait_for("the entry", lambda: '"one-server"' in get(f"{at}/services")[1].decode(), START_SECONDS[kind.name])
            seen: list[Any] = []
            body = chat("Tell me a long story.", stream=True, max_tokens=600, ignore_eos=True)
            thread = threading.Thread(target=lambda: seen.append(ask(base, CHAT, body)), daemon=True)
            engine = listener(base)
            thread.start()
            wait_for("a stream under way", lambda: busy(base, kind), 60)
            babysitter.send_signal(signal.SIGTERM)
            thread.join(120)
            assert seen, (tmp_path / "one.log").read_text()[-2000:]
            assert seen[0].events()[-1] == "[DONE]", seen[0].body[-500:]
            assert babysitter.wait(90) == 0
            assert not alive(engine)
        left = json.loads(get(f"{at}/services")[1])["services"]
        assert [s["name"] for s in left] == []


def busy(base: str, kind: Kind) -> bool:
    return gauge(base, kind.running) >= 1


def test_a_killed_babysitter_leaves_no_engine(kind: Kind, tmp_path: Path) -> None:
    port = free_ports(4)
    base, registry = f"http://127.0.0.1:{port}", port + 2
    file = tmp_path / "one.toml"
    file.write_text(kind.toml("one", port, registry, "paged"))
    command = [str(INFINI), "babysitter", "--config-file", str(file)]
    with running(command, tmp_path / "one.log", 90) as babysitter:
        wait_for("the engine", lambda: answers(base), START_SECONDS[kind.name])
        tree = children(babysitter.pid)
        babysitter.kill()
        babysitter.wait()
        wait_for("the end of all", lambda: not any(alive(p) for p in tree), 60)


def answers(base: str) -> bool:
    return get(f"{base}/health")[0] == 200


def test_while_it_starts_it_is_not_offered(mortal: Fleet) -> None:
    """The other one answers meanwhile; a request never waits for the one that starts."""
    os.kill(listener(mortal.static), signal.SIGKILL)
    wait_for("the end of its service", lambda: mortal.routable() == 1, 60)
    while mortal.routable() == 1:
        began = time.monotonic()
        answer = ask(mortal.router, CHAT, chat("Hello", max_tokens=2))
        assert (answer.status, answer.instance) == (200, "paged") or mortal.routable() == 2
        assert time.monotonic() - began < 60
    mortal.whole()


def test_an_engine_with_a_key_is_registered_and_asked_with_it(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_ports(6)
    base, registry, router, direct = (f"http://127.0.0.1:{p}" for p in (port, port + 2, port + 3, port + 4))
    file = tmp_path / "keyed.toml"
    text = kind.toml("keyed", port, port + 2, "paged", KEY)
    text = text.replace("[backend]\n", '[backend]\napi_key_env = "ENGINE_KEY"\n').replace("[backend.env]\n", f'[backend.env]\nENGINE_KEY = "{KEY}"\n')
    file.write_text(text)
    file.chmod(0o600)
    monkeypatch.setenv("ENGINES_TEST_KEY", KEY)
    commands = {
        "registry": ["registry", "--host", "127.0.0.1", "--port", str(port + 2), "--data-dir", ""],
        "keyed": ["babysitter", "--config-file", str(file)],
        "router": ["router", "--host", "127.0.0.1", "--router-port", str(port + 3), "--registry-url", registry],
        "direct": ["router", "--host", "127.0.0.1", "--router-port", str(port + 4), "--instance", f"{base},name=one,api_key_env=ENGINES_TEST_KEY"],
    }
    with ExitStack() as programs:
        for name, command in commands.items():
            programs.enter_context(running([str(INFINI), *command], tmp_path / f"{name}.log", 90))
        wait_for("the entry", lambda: '"keyed-server"' in get(f"{registry}/services")[1].decode(), START_SECONDS[kind.name])
        listed: Callable[[str], bool] = lambda at: len(ask(at, "/v1/models").json()["data"]) == 1
        wait_for("the routers", lambda: listed(router) and listed(direct), 60)
        assert ask(base, CHAT, chat("Hello")).status == 401
        assert ask(router, CHAT, chat("Hello")).status == 401
        assert ask(router, CHAT, chat("Hello"), key=KEY).status == 200
        assert ask(direct, CHAT, chat("Hello")).status == 200
        assert ask(direct, CHAT, chat("Hello"), key="some other").status == 200
    for log in tmp_path.glob("*.log"):
        if log.name != "keyed.log" or kind.name != "vllm":
            assert KEY not in log.read_text(), log.name
