"""One fleet a kind of engine, and the closing line `N passed, N failed`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

import fleet as fleets


def wanted() -> list[str]:
    """Of INFINI_ENGINES, or all."""
    names = [n.strip() for n in os.environ.get("INFINI_ENGINES", "").split(",") if n.strip()] or list(fleets.KINDS)
    unknown = [n for n in names if n not in fleets.KINDS]
    if unknown:
        raise pytest.UsageError(f"INFINI_ENGINES: {', '.join(unknown)} (expected: {', '.join(fleets.KINDS)})")
    return names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", [fleets.KINDS[n] for n in wanted()], ids=lambda k: k.name, scope="session")


@pytest.fixture(scope="session")
def fleet(kind: fleets.Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[fleets.Fleet]:
    with fleets.fleet(kind, tmp_path_factory.mktemp(kind.name)) as running:
        yield running


def pytest_configure() -> None:
    """SIGTERM ends the tests as Ctrl-C does, with all that they started."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", returncode=143))


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    passed = len(reporter.stats.get("passed", []))
    failed = sum(len(reporter.stats.get(kind, [])) for kind in ("failed", "error", "skipped"))
    reporter.write_line(f"{passed} passed, {failed} failed")
