"""Writes a GGUF file of train.py again with its weights in other types.

    python3 model/requantize.py average.gguf model/infini-tiny.gguf --embeddings q8_0 --layers q8_0

Needs numpy. Vectors stay f32.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gguf_file import FILE_TYPES, rewrite


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--embeddings", choices=sorted(FILE_TYPES), default="q8_0")
    parser.add_argument("--layers", choices=sorted(FILE_TYPES), default="q8_0")
    options = parser.parse_args()
    try:
        size = rewrite(options.source, options.target, options.embeddings, options.layers)
    except (OSError, ValueError) as error:
        print(f"requantize.py: {error}", file=sys.stderr)
        return 1
    print(f"{options.target}: {size:,} bytes (embeddings {options.embeddings}, layers {options.layers})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
