"""What all tests share: the generated templates."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import once  # noqa: F401  # so that nothing is done again for each test
import pytest
from deployments import Editions, Forms
from troposphere import Template

from generator.catalog.deployer import deployer
from generator.catalog.template import catalog
from generator.parent import templates

# A shell starts in the background what does not hear SIGINT, and so do all whom that starts: some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What is imported stays: a collector that looks at it again and again costs a fifth of the imports, a tenth of the tests.
gc.set_threshold(20_000, 20, 20)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(autouse=True)
def _later_tests_and_their_processes_inherit_nothing() -> Iterator[None]:
    before = _environment()
    yield
    assert _environment() == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(scope="session")
def built() -> dict[str, Template]:
    """Every template by file name, for those who change none."""
    return templates()


@pytest.fixture(scope="session")
def forms(built: dict[str, Template]) -> Forms:
    """What somebody deploys by hand."""
    every = {**built, **catalog(built["pypiserver-single.yaml"]), **deployer(built)}
    layers = {f"{title.lower()}.yaml" for title in built["pypiserver.yaml"].resources}
    return {name: it.to_dict() for name, it in every.items() if name not in layers}


@pytest.fixture(scope="session")
def editions(built: dict[str, Template]) -> Editions:
    return Editions({name: template.to_dict() for name, template in built.items()})
