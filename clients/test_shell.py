"""shellcheck over every shell script, hadolint over the Dockerfile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deployment import HOME

BIN = Path(sys.executable).parent
SKIPPED = {"target", "logs", ".git"}
SHEBANG = re.compile(rb"#!\S*(/|/env )(ba)?sh\b")


def shell_scripts() -> list[Path]:
    found: list[Path] = []
    for folder, folders, files in os.walk(HOME):
        folders[:] = [f for f in folders if f not in SKIPPED]
        for path in (Path(folder) / f for f in files):
            if path.is_symlink() or path.suffix not in ("", ".sh"):
                continue
            with path.open("rb") as f:
                if path.suffix == ".sh" or SHEBANG.match(f.readline(200)):
                    found.append(path.relative_to(HOME))
    return sorted(found)


@pytest.mark.parametrize("script", shell_scripts(), ids=str)
def test_a_shell_script_is_clean(script: Path) -> None:
    command = [str(BIN / "shellcheck"), "--external-sources", str(script)]
    checked = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_dockerfile_is_clean() -> None:
    command = [str(BIN / "hadolint"), "Dockerfile"]
    checked = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
