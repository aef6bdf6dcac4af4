#!/usr/bin/env python3
"""Compare results of one instance, round-robin and routing by cache key: `infini compare`."""

import os
import sys
from pathlib import Path


def main() -> None:
    infini = Path(__file__).resolve().parents[3] / "bin" / "infini"
    try:
        os.execv(infini, [str(infini), "compare", *sys.argv[1:]])
    except OSError as e:
        sys.exit(f"{infini}: {e.strerror} (expected: the program of this checkout)")


if __name__ == "__main__":
    main()
