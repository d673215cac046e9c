"""What a template becomes in the least and in the fullest deployment."""

from __future__ import annotations

import pytest
from deployments import CASES, Editions
from resolve import Data


@pytest.fixture(params=CASES)
def resources(editions: Editions, request: pytest.FixtureRequest) -> Data:
    return editions.nested(CASES[request.param]).resources
