"""The same SDK tests with the SDK's previous major version, in its own virtual environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from conftest import ROUTER_VARIABLE


def test_the_previous_major_version_of_the_sdk_works(router: str) -> None:
    python = os.environ["INFINI_CLIENTS_PREVIOUS_PYTHON"]
    tests = Path(__file__).with_name("test_openai_sdk.py")
    done = subprocess.run(
        [python, "-m", "pytest", "-q", str(tests)],
        env=os.environ | {ROUTER_VARIABLE: router},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
