"""Lists whose items become resources of their own: what happens when the first item goes and the others move up.

The resource in the first place becomes what the second still is. Where their service takes both for one, it is deleted
with the second in the update's clean-up.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
"""

from __future__ import annotations

import json

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from deployments import Editions, everything
from resolve import Data

REFUSED = {"AsgSubnets": "MountTarget"}
"""Lists of which the service refuses the second resource, so that the update is rolled back and nothing is lost.

EFS has one mount target in a zone, and answers MountTargetConflict:
https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html
"""


def identity(resource: Data) -> str:
    """The type, and the properties of which a change makes another resource."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
    fixed = {path.split("/")[2] for path in schema.get("createOnlyProperties", [])}
    properties = resource.get("Properties", {})
    return json.dumps([resource["Type"], {name: properties.get(name) for name in sorted(fixed)}], sort_keys=True)


def moved(before: Data, after: Data) -> set[str]:
    """Resources that become what another one is before the update."""
    # Only of what was told apart: two target groups may look alike.
    kinds = [identity(it) for it in before.values()]
    were = {identity(it): title for title, it in before.items() if kinds.count(identity(it)) == 1}
    return {title for title, it in after.items() if title in before and were.get(identity(it), title) != title}


@pytest.mark.slow
def test_no_list_makes_a_resource_of_what_another_still_is(editions: Editions) -> None:
    values = everything()
    lists = {name: value.split(",") for name, value in values.items() if "," in value and "{" not in value}
    assert lists.keys() >= {"AlarmEmails", "AsgSubnets", "DnsNames", "IngressCidrs"}
    before = editions.single(values).resources
    for name, items in lists.items():
        after = editions.single({**values, name: ",".join(items[1:])}).resources
        found = moved(before, after)
        assert all(title.startswith(REFUSED.get(name, "none")) for title in found), (name, found)
        assert found or name not in REFUSED, f"{name} is refused no more"
