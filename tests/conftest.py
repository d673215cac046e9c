"""What all tests share: the generated templates."""

from __future__ import annotations

import pytest
from deployments import Editions

from generator.parent import templates


@pytest.fixture(scope="session")
def editions() -> Editions:
    return Editions({name: template.to_dict() for name, template in templates().items()})
