#!/usr/bin/env python3
"""Compare routing by size with two paged instances in turn: `infini compare --strategies`."""

import os
import sys
from pathlib import Path


def main() -> None:
    infini = Path(__file__).resolve().parents[3] / "bin" / "infini"
    try:
        os.execv(infini, [str(infini), "compare", "--strategies", *sys.argv[1:]])
    except OSError as e:
        sys.exit(f"{infini}: {e.strerror} (expected: the program of this checkout)")


if __name__ == "__main__":
    main()
