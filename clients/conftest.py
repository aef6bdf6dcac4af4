"""Shared fixtures, and the closing line `N passed, N failed`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import openai
import pytest

from deployment import Deployment, running_case
from mortal import instance, mortal

__all__ = ["instance", "mortal"]

ROUTER_VARIABLE = "INFINI_CLIENTS_ROUTER"


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with running_case(tmp_path_factory.mktemp("case")) as running:
        yield running


@pytest.fixture(scope="session")
def router(request: pytest.FixtureRequest) -> str:
    """The router's address: of the deployment that these tests start, or of the one that the variable names."""
    given = os.environ.get(ROUTER_VARIABLE)
    return given or request.getfixturevalue("deployment").router


@pytest.fixture
def client(router: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{router}/v1", api_key="none", timeout=60) as made:
        yield made


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
