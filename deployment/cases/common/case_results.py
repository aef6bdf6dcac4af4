"""Result files of a run, and what is told about them at the end."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

from case_dataset import Dataset


@dataclass(frozen=True)
class Result:
    path: Path
    content: dict[str, Any]

    def number(self, key: str) -> float:
        value = self.content.get(key)
        return float(value) if isinstance(value, (int, float)) else 0.0


def newest_since(folder: Path, label: str, started: float) -> Result | None:
    """The newest result of this label that was written since."""
    found = [p for p in folder.glob(f"{label}-*.json") if p.stat().st_mtime >= started - 1]
    for path in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(content, dict):
            return Result(path, content)
    return None


def report(done: list[tuple[Any, Result | None]], dataset: Dataset) -> int:
    """Prints each run and the routing; 1 when a run answered nothing."""
    print(f"\n== results ({dataset.lines} prompts of {dataset.path})")
    code = 0
    for run, result in done:
        if result is None or result.number("completed") == 0:
            print(f"{run.label}: nothing was answered", file=sys.stderr)
            code = 1
        if result is None:
            continue
        completed, failed = int(result.number("completed")), int(result.number("failed"))
        figures = f"mean TTFT {result.number('mean_ttft_ms'):.1f} ms, mean TPOT {result.number('mean_tpot_ms'):.2f} ms"
        print(f"{run.label}: {completed} answered, {failed} failed, {figures}{cached(result)}")
        print(f"  {result.path}")
        for text, count in failures(result).most_common(3):
            print(f"  {count} failed: {text}")
    for run, result in done:
        if run.routed and result is not None:
            routing(result)
    return code


def cached(result: Result) -> str:
    """How much of the prompts the instances found in their caches, where the result tells."""
    known = [r for r in requests(result) if r.get("cached_tokens") is not None and r.get("input_tokens")]
    read = sum(r["input_tokens"] for r in known)
    return f", {sum(r['cached_tokens'] for r in known)} of {read} prompt tokens cached" if read else ""


def failures(result: Result) -> Counter[str]:
    """Each failure's first line; it names the limit when a request does not fit an instance."""
    texts = [e for e in result.content.get("errors") or [] if e]
    return Counter(str(t).strip().splitlines()[0][:240] for t in texts if str(t).strip())


def requests(result: Result) -> list[dict[str, Any]]:
    return [r for r in result.content.get("requests") or [] if isinstance(r, dict)]


def routing(result: Result) -> None:
    """The share of requests that the rule's pool answered, and the exceptions."""
    told = result.content.get("routing")
    if not isinstance(told, dict):
        print("routing accuracy: not known; the result does not tell where requests went")
        return
    accuracy = told.get("accuracy")
    claimed = told.get("claimed") or 0
    agree = {True: "agree", False: "DISAGREE", None: "are not known"}[told.get("counters_agree")]
    if claimed:
        share = f"{(told.get('correct') or 0) + claimed} of {told.get('sent')}, {claimed} of them by the router's own word alone"
        print(f"routing accuracy: not proven ({share}; the instances' own counters {agree})")
    elif accuracy is not None:
        share = f"{told.get('correct')} of {told.get('checked')} answered by the rule's pool"
        print(f"routing accuracy: {floor(10000 * accuracy) / 10000:.2%} ({share}; the instances' own counters {agree})")
    else:
        where = ", ".join(f"{name} {seen.get('requests')}" for name, seen in sorted((told.get("instances") or {}).items()))
        print(f"routing: {where}")
    exceptions = told.get("exceptions") or []
    for e in exceptions[:10]:
        print(f"  request {e.get('index')} of size {e.get('size')}: {e.get('pool')}, expected {e.get('expected')}: {e.get('reason')}")
    if len(exceptions) > 10:
        print(f"  and {len(exceptions) - 10} more")
