#!/usr/bin/env python3
"""Checks of a case that routes by prompt_cache_key: validate_keys.py REGISTRY_IP. Exit code 1 when a check failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from case_fleet import Fleet, Instance, call, free_port, look, temporary_router

INFINI = Path(__file__).resolve().parents[3] / "bin" / "infini"
EXPECTED = ("master-9g_8b_thinking", "slave-9g_8b_thinking")
TEXT = "The old man walked to the river and looked at the boats that came home in the evening. " * 12


class Failed(Exception):
    """What was expected and what was seen."""


def expect(right: bool, expected: str, seen: object) -> None:
    if not right:
        raise Failed(f"expected: {expected}\n          seen:     {seen}")


class Keys:
    def __init__(self, host: str) -> None:
        at = "127.0.0.1" if host in ("", "localhost") else host
        self.host = host
        self.registry = f"http://{at}:{os.environ['REGISTRY_PORT']}"
        self.router = f"http://{at}:{os.environ['ROUTER_PORT']}"
        self.model = os.environ.get("MODEL") or "9g_8b_thinking"

    def ask(self, router: str, text: str, key: str | None, tokens: int = 1) -> tuple[str, dict]:
        """Who answered, and the usage."""
        body: dict[str, object] = {"model": self.model, "messages": [{"role": "user", "content": text}], "max_tokens": tokens}
        if key is not None:
            body["prompt_cache_key"] = key
        headers, answer = call(f"{router}/v1/chat/completions", body, 60)
        return headers.get("x-infini-instance", "unnamed"), json.loads(answer).get("usage", {})

    def fleet(self) -> Fleet:
        return look(self.router, self.model, self.host)

    # --- the checks, in order -----------------------------------------------------------------------------------------

    def health(self) -> str:
        for url in (self.registry, self.router):
            call(f"{url}/health")
        return f"{self.registry} and {self.router} answer"

    def discovery(self) -> str:
        listed = json.loads(call(f"{self.registry}/services?healthy=true")[1])["services"]
        names = sorted(s["name"] for s in listed)
        wanted = [n for base in EXPECTED for n in (base, f"{base}-server")]
        missing = [n for n in wanted if n not in names]
        expect(not missing, f"{', '.join(wanted)} registered and healthy", f"{', '.join(names) or 'none'}")
        return ", ".join(wanted)

    def models(self) -> str:
        ids = [m["id"] for m in json.loads(call(f"{self.router}/models")[1])["data"]]
        expect(self.model in ids, f"{self.model} in /models", ids)
        return ", ".join(ids)

    def instances(self) -> str:
        for i in self.fleet().instances:
            base, _, port = i.url.rpartition(":")
            state = json.loads(call(f"{base}:{int(port) + 1}/health")[1])
            expect(state.get("infinilm_server_running") is True, f"the babysitter of {i.name} reports a running server", state)
        return "each babysitter reports its server as running"

    def without_a_key(self) -> str:
        seen = Counter(self.ask(self.router, f"Question {i}: who are you?", None)[0] for i in range(10))
        both = {f"{n}-server" for n in EXPECTED}
        expect(set(seen) == both, "10 requests without a key reach both instances", dict(seen))
        return counted(seen)

    def one_key(self) -> str:
        seen = Counter(self.ask(self.router, f"Question {i}: what is a key?", "test_cache_key_123")[0] for i in range(10))
        expect(len(seen) == 1, "10 requests with the key test_cache_key_123 reach one instance", dict(seen))
        return counted(seen)

    def reuse(self) -> str:
        mark = f"{time.time_ns()} "
        key = f"reuse-{mark.strip()}"
        first, before = self.ask(self.router, mark + TEXT, key)
        second, after = self.ask(self.router, mark + TEXT + "What did he look at?", key)
        cached = [(u.get("prompt_tokens_details") or {}).get("cached_tokens") for u in (before, after)]
        expect(first == second, "both turns on one instance", f"{first}, {second}")
        if cached[1] is None:
            return f"{first} does not report cached_tokens"
        half = after["prompt_tokens"] // 2
        expect(cached[1] > half, f"the second turn finds more than {half} of its {after['prompt_tokens']} tokens cached", cached)
        return f"cached_tokens {cached[0]} at first, then {cached[1]} of {after['prompt_tokens']}, on {first}"

    def spread(self) -> str:
        homes = self.homes(self.router, 40)
        seen = Counter(homes.values())
        expect(len(seen) == 2 and min(seen.values()) >= 8, "40 keys spread, at least 8 on each of two instances", dict(seen))
        return counted(seen)

    def joining(self) -> str:
        fleet = self.fleet()
        before = self.homes(self.router, 60)
        with simulated(self.model) as joined, temporary_router(INFINI, [*fleet.instances, joined], "cache-type") as router:
            after = self.homes(router, 60)
        moved = {k for k in before if before[k] != after[k]}
        elsewhere = [k for k in moved if after[k] != joined.name]
        share = len(moved) / len(before)
        expect(not elsewhere, "keys move to the new instance only", f"{len(elsewhere)} of 60 moved between the old ones")
        expect(0.1 < share < 0.6, "about a third of 60 keys moves to the third instance", f"{len(moved)} moved")
        return f"{len(moved)} of 60 keys moved, all to the new one; a third would be 20"

    def homes(self, router: str, keys: int) -> dict[str, str]:
        return {f"key-{i}": self.ask(router, f"Question {i}?", f"key-{i}")[0] for i in range(keys)}


class simulated:
    """A simulated instance that serves the model, for the time of one check."""

    def __init__(self, model: str) -> None:
        self.model = model

    def __enter__(self) -> Instance:
        port = free_port()
        flags = ["--port", str(port), "--served-model-name", self.model, "--speed", "100"]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(INFINI), "simulate", *flags], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        return Instance("joined-server", f"http://127.0.0.1:{port}", None)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def counted(seen: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(seen.items()))


def main() -> int:
    keys = Keys(sys.argv[1] if len(sys.argv) > 1 else "")
    checks: list[tuple[str, Callable[[], str]]] = [
        ("health of registry and router", keys.health),
        ("both instances are registered", keys.discovery),
        ("the router offers the model", keys.models),
        ("the instances are healthy", keys.instances),
        ("requests without a key are spread", keys.without_a_key),
        ("one key, one instance", keys.one_key),
        ("a key's next turn finds the cache warm", keys.reuse),
        ("keys are spread", keys.spread),
        ("only its share moves when an instance joins", keys.joining),
    ]
    failed = 0
    for number, (title, check) in enumerate(checks, 1):
        try:
            print(f"[{number}] ok      {title}: {check()}", flush=True)
        except (Failed, OSError, LookupError, ValueError) as e:
            failed += 1
            print(f"[{number}] FAILED  {title}\n          {e}", flush=True)
            if number == 1:
                print("          nothing else can be checked", flush=True)
                break
    print(f"Passed: {number - failed}  Failed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
