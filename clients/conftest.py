"""Shared fixtures."""

from __future__ import annotations

import os
from collections.abc import Iterator

import openai
import pytest

from closing import pytest_configure, pytest_unconfigure
from deployment import Deployment, running_case
from mortal import instance, mortal

__all__ = ["instance", "mortal", "pytest_configure", "pytest_unconfigure"]

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
