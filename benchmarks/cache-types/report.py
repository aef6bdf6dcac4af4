"""Paired comparison of the fleets, and the page about it."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict

from arms import Run

# Student's t, two-sided 95 %, by degrees of freedom.
T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131]
T += [2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045]
# What is compared, the smaller the better.
FIGURES = {
    "ttft small": "time to first token of small requests",
    "ttft large": "time to first token of large requests",
    "tpot small": "time per output token of small requests",
    "e2e all": "time to the whole answer, all requests",
}
# What the rule is for: judged by itself, the others together.
PRIMARY = "ttft small"
RIVALS = ("paged", "static")
RULE = "size rule"
# A run whose load generator was later than this (p99) is in no comparison, and neither are the other fleets' runs beside it.
LATE_MS = 10


def interval(values: list[float]) -> tuple[float, float] | None:
    """Mean and half width of its 95 % interval."""
    if len(values) < 2:
        return None
    return statistics.fmean(values), T[min(len(values) - 1, len(T)) - 1] * statistics.stdev(values) / math.sqrt(len(values))


def probability(t: float, freedom: int) -> float:
    """Of a t as far from 0 or farther when there is no difference, by Simpson's rule over the density."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    # The tail as an integral over 0..1 with x = |t| + u / (1 - u), stopped shortly before the end.
    steps, total = 2000, 0.0
    for i in range(steps + 1):
        u = i / steps * 0.9999
        density = scale * (1 + (abs(t) + u / (1 - u)) ** 2 / freedom) ** (-(freedom + 1) / 2) / (1 - u) ** 2
        total += density * (1 if i in (0, steps) else 4 if i % 2 else 2)
    return min(1.0, 2 * total * 0.9999 / steps / 3)


def stand(found: list[dict | None]) -> None:
    """Marks those of several ratios that stand when all of them together shall be wrong in 5 % of the cases (Holm)."""
    tested = sorted((f for f in found if f is not None), key=lambda f: f["p"])
    for f in tested:
        f["stands"] = False
    for k, f in enumerate(tested):
        if f["p"] > 0.05 / (len(tested) - k):
            return
        f["stands"] = True


def punctual(runs: list[Run]) -> list[Run]:
    """Without the workloads and repetitions in which the load generator was late on some fleet."""
    late = {(r.mix, r.load, r.repetition) for r in runs if r.send_lag_p99_ms > LATE_MS}
    return [r for r in runs if (r.mix, r.load, r.repetition) not in late]


def ratio(pairs: list[tuple[float, float]]) -> dict[str, float] | None:
    """Geometric mean of the rule's value over the rival's, with its 95 % interval."""
    logs = [math.log(rule / rival) for rule, rival in pairs if rule > 0 and rival > 0]
    found = interval(logs)
    if found is None:
        return None
    mean, half = found
    t = mean / (half / T[min(len(logs) - 1, len(T)) - 1]) if half > 0 else math.inf
    return {
        "ratio": math.exp(mean),
        "low": math.exp(mean - half),
        "high": math.exp(mean + half),
        "pairs": len(logs),
        "p": probability(t, len(logs) - 1),
    }


def pairs(runs: list[Run], figure: str, rival: str) -> list[tuple[float, float]]:
    """The rule's and the rival's value of each workload and repetition."""
    by = {(r.mix, r.load, r.repetition, r.arm): r.figures.get(figure) for r in runs}
    keys = sorted({(r.mix, r.load, r.repetition) for r in runs})
    both = [(by.get((*k, RULE)), by.get((*k, rival))) for k in keys]
    return [(a, b) for a, b in both if a is not None and b is not None]


def signs(logs: list[float]) -> float:
    """Of as uneven a split into faster and slower when both are as likely (sign test, two-sided)."""
    n, fewer = len(logs), min(sum(x < 0 for x in logs), sum(x > 0 for x in logs))
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)


def overall(runs: list[Run], figure: str, rival: str) -> dict[str, float] | None:
    """All workloads in one: the mean over workloads of each one's mean log ratio, whatever repetitions it has left, so that
    no workload counts more where others were left out. Its error is what the repetitions of a workload differ by, pooled over
    those that have two and more (a one-way layout with unequal numbers). A few runs that collapse make a mean, not a rule: what
    is a finding must be one by the signs of the pairs as well."""
    logs = [
        [math.log(a / b) for a, b in pairs([r for r in runs if (r.mix, r.load) == cell], figure, rival)]
        for cell in sorted({(r.mix, r.load) for r in runs})
    ]
    logs = [of for of in logs if of]
    n = sum(map(len, logs))
    freedom = n - len(logs)
    if freedom < 1:
        return None
    mean = statistics.fmean(statistics.fmean(of) for of in logs)
    variance = sum((x - statistics.fmean(of)) ** 2 for of in logs for x in of) / freedom
    error = math.sqrt(variance * sum(1 / len(of) for of in logs)) / len(logs)
    half = T[min(freedom, len(T)) - 1] * error
    return {
        "ratio": math.exp(mean),
        "low": math.exp(mean - half),
        "high": math.exp(mean + half),
        "pairs": n,
        "workloads": len(logs),
        "faster": sum(x < 0 for of in logs for x in of),
        "p": max(probability(mean / error, freedom) if error > 0 else 1.0, signs([x for of in logs for x in of])),
    }


def word(found: dict[str, float] | None, rival: str) -> str:
    if found is None:
        return "not enough repetitions"
    if not found["stands"]:
        return f"no difference from {rival} only that stands out of the noise"
    if found["ratio"] < 1:
        return f"{1 - found['ratio']:.0%} less than {rival} only"
    return f"{found['ratio'] - 1:.0%} more than {rival} only"


def summary(every: list[Run], facts: dict) -> dict:
    runs = punctual(every)
    cells = []
    for mix, load in dict.fromkeys((r.mix, r.load) for r in sorted(runs, key=order(facts))):
        of = [r for r in runs if (r.mix, r.load) == (mix, load)]
        means: dict[str, dict] = {}
        for figure in FIGURES:
            for arm in ("paged", "static", RULE):
                values = [r.figures[figure] for r in of if r.arm == arm and figure in r.figures]
                found = interval(values)
                means.setdefault(figure, {})[arm] = None if found is None else {"mean": found[0], "half_width": found[1]}
        versus = {f: {rival: ratio(pairs(of, f, rival)) for rival in RIVALS} for f in FIGURES}
        cells.append({"mix": mix, "load": load, "means": means, "rule_over": versus, "repetitions": len({r.repetition for r in of})})
    totals = {f: {rival: overall(runs, f, rival) for rival in RIVALS} for f in FIGURES}
    stand([c["rule_over"][f][rival] for c in cells for f in FIGURES for rival in RIVALS])
    stand([totals[PRIMARY][rival] for rival in RIVALS])
    stand([totals[f][rival] for f in FIGURES if f != PRIMARY for rival in RIVALS])
    return {
        "facts": facts,
        "cells": cells,
        "overall": totals,
        "late": sum(r.send_lag_p99_ms > LATE_MS for r in every),
        "left_out": len(every) - len(runs),
        "failed": {arm: sum(r.failed for r in every if r.arm == arm) for arm in ("paged", "static", RULE)},
        "cached_share": {
            arm: statistics.fmean([r.figures["cached share"] for r in runs if r.arm == arm]) for arm in ("paged", "static", RULE)
        },
        "accuracy": min((r.accuracy for r in runs if r.arm == RULE and r.accuracy is not None), default=None),
        "send_lag_p99_ms": max((r.send_lag_p99_ms for r in every), default=0.0),
        "runs": [asdict(r) for r in every],
    }


def order(facts: dict):
    mixes, loads = list(facts["conversations"]), list(facts["load_shares"])
    return lambda r: (mixes.index(r.mix), loads.index(r.load))


SECTION = "## On real sockets"


def page(before: str, told: dict) -> str:
    """The page with this report as its last section; what stands before that section stays."""
    kept = before.partition(SECTION + "\n")[0].rstrip("\n") or "# Does routing by size pay?"
    return f"{kept}\n\n{markdown(told)}"


def markdown(told: dict) -> str:
    facts = told["facts"]
    lines = [SECTION, ""]
    lines += verdict(told)
    lines += [
        "",
        "### How it was measured",
        "",
        f"    {facts['command']}",
        "",
        f"{facts['date']}, {facts['minutes']:.0f} minutes on: {facts['machine']}. The embedded engine with the bundled model; the load"
        " generator ran on the same machine.",
        "",
        "Three fleets of two instances, each behind a router with the default policy: two paged; two static; one paged and one"
        f" static with the rule at {facts['threshold_bytes']} bytes (the bundled model needs seconds for prompts above the default of"
        " 51200, too long for this many runs). Every instance has room for 32768 tokens."
        f" A run sends {facts['requests_per_run']} requests of {len_of(facts)} conversations with {facts['messages_per_conversation']}"
        " turns each, small ones of 1 to 3 KB and large ones of about 13 KB, at random (Poisson) times;"
        f" every answer has {facts['answer_tokens']} tokens. {mixes(facts)}",
        "",
        f"Rates are {shares(facts)} of what the two paged instances complete with 8 requests at a time ({capacities(facts)}).",
        "",
        "All three fleets get the same requests at the same times, one fleet after the other in an order drawn anew; a repetition has"
        " new requests. Times begin at the intended send. The ratio is the rule's value over the other's within a repetition"
        " (geometric mean, 95 % interval by Student's t over the repetitions); below 1 the rule is faster. A ratio that"
        " does not stand among all the others of its kind (Holm: together wrong in at most 5 % of the cases) is noise and stands in"
        f" brackets. {told['late']} runs had a load generator that was late itself (p99 above {LATE_MS} ms); they and the other fleets' runs"
        f" beside them, {told['left_out']} of {len(told['runs'])}, are in no figure. A run is {facts['requests_per_run']} requests long: a"
        " start-up, not a steady state, so that low and high load do not differ as their names say.",
        "",
    ]
    lines += checks(told)
    for figure, title in FIGURES.items():
        lines += ["", f"### {title[0].upper()}{title[1:]}", "", table(told, figure)]
    lines += ["", "Every run stands in `benchmarks/cache-types/results.json`.", ""]
    return "\n".join(lines)


def verdict(told: dict) -> list[str]:
    lines = [
        "Over all workloads, the size rule (one paged and one static instance) has the following. The first row is what the rule is for and is"
        " judged by itself; the six entries below it are judged together, and so are the cells of the tables (Holm). An entry is the mean"
        " over the workloads of each one's mean (logarithms), its error pooled from what the repetitions of one workload differ by; it"
        " stands when it does by Student's t and by the signs of the pairs (in brackets: ratio, interval, pairs in which the rule was lower)."
        f" {left(told)}",
        "", "| | against two paged | against two static |",
        "|---|---|---|",
    ]
    for figure, title in FIGURES.items():
        found = told["overall"][figure]
        lines.append(f"| {title} | " + " | ".join(said(found[rival], rival) for rival in RIVALS) + " |")
    wins = {rival: count(told, rival) for rival in RIVALS}
    lines += [""]
    for rival in RIVALS:
        better, worse, all_of = wins[rival]
        lines.append(
            f"Against {rival} only, of {all_of} comparisons (workload x figure) the rule is better in {better}, worse in {worse},"
            f" and {all_of - better - worse} lie in the noise."
        )
    return lines


def left(told: dict) -> str:
    here = next((f for f in told["overall"][PRIMARY].values() if f), None)
    if here is None:
        return ""
    return (
        f"What is left without late runs are {here['pairs']} pairs of {here['workloads']} workloads, not drawn at random: least is left of"
        " what kept the machine busiest."
    )


def said(found: dict[str, float] | None, rival: str) -> str:
    text = word(found, rival)
    if found is None:
        return text
    return f"{text} ({found['ratio']:.2f}, {found['low']:.2f} to {found['high']:.2f}, {found['faster']} of {found['pairs']})"


def count(told: dict, rival: str) -> tuple[int, int, int]:
    found = [c["rule_over"][f][rival] for c in told["cells"] for f in FIGURES]
    found = [r for r in found if r is not None]
    stands = [r for r in found if r["stands"]]
    return sum(r["ratio"] < 1 for r in stands), sum(r["ratio"] > 1 for r in stands), len(found)


def checks(told: dict) -> list[str]:
    failed = ", ".join(f"{arm} {n}" for arm, n in told["failed"].items())
    cached = ", ".join(f"{arm} {share:.0%}" for arm, share in told["cached_share"].items())
    accuracy = "not known" if told["accuracy"] is None else f"{told['accuracy']:.0%}"
    return [
        f"Failed requests: {failed}. Prompt tokens found in a cache: {cached}. Routing accuracy of the rule, worst run: {accuracy}."
        f" The generator's own lateness, worst p99: {told['send_lag_p99_ms']:.1f} ms."
    ]


def table(told: dict, figure: str) -> str:
    rows = ["| mix | load | paged only | static only | size rule | rule / paged | rule / static |", "|---|---|---|---|---|---|---|"]
    for cell in told["cells"]:
        means = cell["means"][figure]
        values = [milliseconds(means[arm]) for arm in ("paged", "static", RULE)]
        ratios = [bracketed(cell["rule_over"][figure][rival]) for rival in RIVALS]
        rows.append("| " + " | ".join([cell["mix"], f"{cell['load']} ({cell['repetitions']})", *values, *ratios]) + " |")
    return "\n".join(rows) + "\n\nMeans in ms with 95 % half widths; in brackets behind the load the number of repetitions."


def milliseconds(found: dict[str, float] | None) -> str:
    if found is None:
        return "-"
    digits = 2 if found["mean"] < 0.02 else 0
    return f"{found['mean'] * 1000:.{digits}f} ± {found['half_width'] * 1000:.{digits}f}"


def bracketed(found: dict[str, float] | None) -> str:
    if found is None:
        return "-"
    text = f"{found['ratio']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
    return f"**{text}**" if found["stands"] else f"[{text}]"


def len_of(facts: dict) -> int:
    return next(iter(facts["conversations"].values()))["all"]


def mixes(facts: dict) -> str:
    told = ", ".join(f"{mix} {c['large']} of {c['all']}" for mix, c in facts["conversations"].items())
    return f"Conversations that begin large: {told}."


def shares(facts: dict) -> str:
    return ", ".join(f"{share:.0%} ({load})" for load, share in facts["load_shares"].items())


def capacities(facts: dict) -> str:
    return ", ".join(f"{mix} {rate:.2f} requests/s" for mix, rate in facts["capacity_requests_per_second"].items())
