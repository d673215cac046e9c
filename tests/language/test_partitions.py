"""What differs between AWS's partitions, compared with what botocore knows of them."""

from __future__ import annotations

import pytest
from botocore.loaders import create_loader  # type: ignore[import-untyped] # botocore has no types
from resolve import PLACES, Place

from generator.language.partitions import CONSOLES, ECR_ENDPOINTS, URL_SUFFIXES


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_addresses_end_as_the_partitions_do(place: Place) -> None:
    """And names of ECR's endpoints begin with the same, from right to left."""
    known = {it["id"]: it["outputs"] for it in create_loader().load_data("partitions")["partitions"]}
    suffix = known[place.partition]["dnsSuffix"]
    assert URL_SUFFIXES[place.partition] == suffix
    assert ECR_ENDPOINTS[place.partition].split(".") == suffix.split(".")[::-1]


def test_nothing_is_missing_of_a_partition() -> None:
    assert CONSOLES.keys() == URL_SUFFIXES.keys() == ECR_ENDPOINTS.keys() == {place.partition for place in PLACES}
