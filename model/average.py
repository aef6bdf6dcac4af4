"""Averages the weights of two GGUF files of train.py: a run, and the same run with some more steps.

    python3 model/average.py run.gguf resumed.gguf average.gguf --share 0.25

The average of neighbours is smoother than either: single logits that depend on the batch by chance come closer together.
Embeddings are written in f16, layers in f32. Needs numpy.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gguf_file import average


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--share", type=float, default=0.25, help="share of the second, 0 to 1")
    options = parser.parse_args()
    if not 0.0 <= options.share <= 1.0:
        parser.error(f"--share: {options.share} (expected: 0 to 1)")
    try:
        size = average(options.first, options.second, options.share, options.target, "f16", "f32")
    except (OSError, ValueError) as error:
        print(f"average.py: {error}", file=sys.stderr)
        return 1
    print(f"{options.target}: {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
