"""What all tests share: the generated templates."""

from __future__ import annotations

import os
import signal
from functools import cache

import botocore.session  # type: ignore[import-untyped] # botocore has no types
import moto.core.utils
import pytest
from deployments import Editions

from generator.parent import templates

# A shell starts in the background what does not hear SIGINT, and so do all whom that starts: some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Nobody looks at moto's images, of which it makes thousands in each account.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

# Every session would read the descriptions of all services anew, which takes longer than most tests.
botocore.session.create_loader = cache(botocore.session.create_loader)
moto.core.utils.create_loader = cache(moto.core.utils.create_loader)  # type: ignore[attr-defined]  # it imports it


@pytest.fixture(scope="session")
def editions() -> Editions:
    return Editions({name: template.to_dict() for name, template in templates().items()})
