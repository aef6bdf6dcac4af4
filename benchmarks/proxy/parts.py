"""The benchmark `run` of this folder as a module, for those beside it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

_LOADER = importlib.machinery.SourceFileLoader("proxy_bench", str(Path(__file__).resolve().parent / "run"))
_SPEC = importlib.util.spec_from_loader("proxy_bench", _LOADER)
bench = importlib.util.module_from_spec(_SPEC)
sys.modules["proxy_bench"] = bench  # its data classes look their module up
_LOADER.exec_module(bench)
