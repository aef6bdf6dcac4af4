"""One fleet a kind of engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

import fleet as fleets
from closing import pytest_configure, pytest_unconfigure
from deployment import INFINI, free_ports, running

__all__ = ["fleet", "pytest_configure", "pytest_unconfigure", "routed", "standing"]


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """vLLM's bench is a part of vLLM; embeddings are llama.cpp's."""
    parts = {"vllm": "::test_vllms_bench", "llama.cpp": "test_embeddings.py::"}
    without = [i for i in items if any(part in i.nodeid for name, part in parts.items() if name not in wanted())]
    config.hook.pytest_deselected(items=without)
    items[:] = [i for i in items if i not in without]


@pytest.fixture(scope="session")
def fleet(kind: fleets.Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[fleets.Fleet]:
    with fleets.fleet(kind, tmp_path_factory.mktemp(kind.name)) as running:
        yield running


@pytest.fixture(scope="session")
def standing(fleet: fleets.Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[fleets.Fleet]:
    """The same engines as servers that run already: a router of their own knows nothing but their addresses."""
    port = free_ports()
    flags = [f for name, base in fleet.engines.items() for f in ("--instance", f"{base},name={name},cache_type={name}")]
    command = [str(INFINI), "router", "--host", "127.0.0.1", "--router-port", str(port), *flags]
    folder = tmp_path_factory.mktemp("standing")
    with running(command, folder / "router.log"):
        made = replace(fleet, router=f"http://127.0.0.1:{port}", logs=folder)
        made.whole()
        yield made


@pytest.fixture(scope="session", params=["babysitter", "standing"])
def routed(request: pytest.FixtureRequest, fleet: fleets.Fleet) -> fleets.Fleet:
    """Behind the router of a registry, and behind one that was given addresses."""
    return fleet if request.param == "babysitter" else request.getfixturevalue("standing")
