"""A router in front of a simulated instance, which dies as a request's header `x-simulate-fault` says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from deployment import INFINI, free_ports, models_at, running, wait_for

SIMULATED = "simulated"


def serves(base: str) -> bool:
    return models_at(base) == [SIMULATED]


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_ports(2)
    base = f"http://127.0.0.1:{port}"
    command = [str(INFINI), "simulate", "--host", "127.0.0.1", "--port", str(port), "--model", SIMULATED, "--name", "s"]
    with running(command, tmp_path_factory.mktemp("simulated") / "instance.log"):
        wait_for(base, partial(serves, base), 30)
        yield base


@pytest.fixture(scope="session")
def mortal(instance: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_ports()
    base = f"http://127.0.0.1:{port}"
    command = [str(INFINI), "router", "--host", "127.0.0.1", "--router-port", str(port), "--instance", instance]
    with running(command, tmp_path_factory.mktemp("mortal") / "router.log"):
        wait_for(base, partial(serves, base), 30)
        yield base
