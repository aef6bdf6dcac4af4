"""Hooks of a test run that others end and read: SIGTERM, and the closing line `N passed, N failed`."""

from __future__ import annotations

import signal

import pytest


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
