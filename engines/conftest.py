"""One fleet a kind of engine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import fleet as fleets
from closing import pytest_configure, pytest_unconfigure

__all__ = ["fleet", "pytest_configure", "pytest_unconfigure"]


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
