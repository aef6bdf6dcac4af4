"""The command blocks of a page, run one after the other in one shell as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def blocks(page: Path) -> list[str]:
    """The text of each ```bash block, in order."""
    return re.findall(r"(?ms)^```bash\n(.*?)^```$", page.read_text())


def path_without_conda() -> str:
    """PATH with `python` on it and without conda, so that a run does not depend on the machine's conda."""
    folders = [d for d in os.environ["PATH"].split(os.pathsep) if d and not Path(d, "conda").exists()]
    return os.pathsep.join([str(Path(sys.executable).parent), *folders])


# `conda activate NAME` in a shell without conda: what the page says to do instead.
CONDA = 'conda() { [ "$1" = activate ] && . "$XDG_DATA_HOME/infini/venv-$2/bin/activate"; }'


def run_blocks(texts: list[str], cwd: Path, environment: dict[str, str], timeout_seconds: float) -> tuple[int, str]:
    """One shell for all; it ends at the first command that fails. Returns its exit code and what it printed."""
    script = ["set -e -o pipefail", CONDA]
    for number, text in enumerate(texts, 1):
        script += [f"echo '@@ block {number}'", text]
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(script)],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    return done.returncode, done.stdout
