"""The case with a low threshold, and with one instance lost for good."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import openai

from deployment import INFINI, MODEL, STATIC, is_free, run, running_case, wait_for


def test_a_low_threshold_and_a_lost_instance(tmp_path: Path) -> None:
    with running_case(tmp_path, CACHE_TYPE_ROUTING_THRESHOLD="100") as case:
        green = case.script("validate.sh")
        assert green.returncode == 0, green.stdout + green.stderr

        status = json.loads(run([str(INFINI), "status", "--json"], case.environment, 30).stdout)
        babysitter = next(part["pid"] for part in status["parts"] if part["name"] == STATIC)
        os.kill(babysitter, signal.SIGKILL)
        wait_for("the engine of a lost babysitter ends", lambda: is_free(case.static_port), 20)

        lost = case.script("validate.sh")
        assert lost.returncode == 1, lost.stdout + lost.stderr
        assert STATIC in lost.stdout + lost.stderr

        large = "Which of the two instances answers a question of more than a hundred bytes? " * 4
        with openai.OpenAI(base_url=f"{case.router}/v1", api_key="none", timeout=60) as client:
            answer = client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": large}], max_tokens=8
            )
        assert answer.choices[0].message.content
