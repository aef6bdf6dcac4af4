#!/usr/bin/env python3
"""Write a dataset of growing conversations, each with its prompt_cache_key: `infini gen-accumulate-context`."""

import os
import sys
from pathlib import Path


def main() -> None:
    infini = Path(__file__).resolve().parents[3] / "bin" / "infini"
    try:
        os.execv(infini, [str(infini), "gen-accumulate-context", *sys.argv[1:]])
    except OSError as e:
        sys.exit(f"{infini}: {e.strerror} (expected: the program of this checkout)")


if __name__ == "__main__":
    main()
