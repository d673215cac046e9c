"""A moto server on the loopback interface that does what ``generator``'s commands need of CloudFormation.

Beside what ``moto_bridge`` adds, which see,

* change sets include nested stacks: properties are compared before and after, and one replaces its resource where
  the type's schema in cfn-lint says so;
* ``UsePreviousValue`` keeps the name of an SSM parameter, and a list's value is its items, separated by commas;
* what ``early`` of ``change_sets`` has makes a change set fail, or warns, and DescribeEvents tells it;
* a stack's tags are the change set's, and another tag is a change of every nested stack;
* a stack in review has no description, its change set has the template;
* every resource has its events; what fails stops the operation. A creation is rolled back: a nested stack that was
  complete is deleted, so that what it retains stays; of a stack that was not, only ``Retain`` does. A failed update
  ends as its rollback would, though nothing is rolled back.

It works synchronously: an operation has ended when its request is answered. What AWS itself would plan, in which order
it works, and how long it takes, this does not prove.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseServer
from typing import Any

import pytest
from calls import REGION, Json, Made, client
from change_sets import EARLY, describe_events, early, list_change_sets, with_templates
from moto import mock_aws
from moto.cloudformation import models, parsing, responses
from moto.cloudformation.utils import generate_changeset_id, get_stack_from_s3_url
from moto.core.base_backend import BackendDict
from moto.core.responses import ActionResult
from moto.route53 import models as route53
from moto.server import ThreadedMotoServer
from moto_bridge import RETAINED, Resources, bridged, references, replacing_names

ACCOUNT = "123456789012"
STACK = "AWS::CloudFormation::Stack"
BUCKET = "templates-of-ours"
# The clients of this process call moto, as long as this is set. Tests that start others in this environment delete it,
# and those with an endpoint of their own.
DIRECTLY = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


def backend() -> Any:
    return models.cloudformation_backends[ACCOUNT][REGION]


def record(stack_id: str, name: str, kind: str, status: str, physical: str = "", reason: str | None = None) -> None:
    """An event of a resource."""
    stack = backend().stacks.get(stack_id) or backend().deleted_stacks.get(stack_id)
    if stack is not None:
        event = models.Event(stack_id, stack.name, name, physical, kind, status, reason, None)
        stack.events.append(event)


class Preview(Resources):
    """The resources as they would be; what does not exist yet has a name of its own."""

    def __getitem__(self, key: str) -> Any:
        if key in self._resource_json_map:
            made = self._parsed_resources.get(key)
            if made is None:
                return Unknown(f"{{{{changeSet:KNOWN_AFTER_APPLY:{key}}}}}")
            if self._resource_json_map[key]["Type"] == STACK:
                return Unknown(made.physical_resource_id, attributes=made.attributes)
        return super().__getitem__(key)


class Unknown(Made):
    """``attributes`` are those that it has already: of a nested stack, the outputs that another version of it gave."""

    def get_cfn_attribute(self, name: str) -> str:
        return str(self.attributes.get(name, f"{self.physical_resource_id}.{name}"))


class Recorded(Resources):
    """The resources of a stack, each removal with its events."""

    def made(self) -> list[Any]:
        return [it for name in self._resource_json_map if (it := self._parsed_resources.get(name)) is not None]

    def roll_back(self) -> None:
        """Undo a creation that has failed, also in the nested stacks that were not completed."""
        completed = {it.physical_resource_id for it in self.made() if it.type == STACK}
        for child in list(backend().stacks.values()):
            if child.name.startswith(f"{self['AWS::StackName']}-") and child.stack_id not in completed:
                child.resource_map.roll_back()
                backend().deleted_stacks[child.stack_id] = backend().stacks.pop(child.stack_id)
        for name in reversed(list(self._order())):
            if self._parsed_resources.get(name) is not None:
                source = self._resource_json_map[name]
                policy = source.get("DeletionPolicy")
                self._remove(name, {**source, "DeletionPolicy": "Delete" if policy == RETAINED[1] else policy})

    def _remove(self, name: str, source: Json) -> None:
        physical = str(getattr(self._parsed_resources[name], "physical_resource_id", ""))
        kept = source.get("DeletionPolicy") in RETAINED
        record(self.stack_id, name, source["Type"], "DELETE_IN_PROGRESS", physical)
        super()._remove(name, source)
        record(self.stack_id, name, source["Type"], "DELETE_SKIPPED" if kept else "DELETE_COMPLETE", physical)


def with_events(create: Any, verb: str) -> Any:
    def recorded(name: str, source: Json, resources: Any, account_id: str, region_name: str) -> Any:
        condition = source.get("Condition")
        if isinstance(resources, Preview) or (condition and not resources.lazy_condition_map[condition]):
            return create(name, source, resources, account_id, region_name)
        record(resources.stack_id, name, source["Type"], f"{verb}_IN_PROGRESS")
        before = set(backend().stacks)
        if verb == "UPDATE" and source["Type"] == STACK:
            before.remove(resources[name].physical_resource_id)
        try:
            made = create(name, source, resources, account_id, region_name)
        except Exception as error:
            children = set(backend().stacks) - before
            physical = next(iter(children), "") if source["Type"] == STACK else ""
            reason = f"Embedded stack {physical} was not successfully created" if physical else str(error)
            record(resources.stack_id, name, source["Type"], f"{verb}_FAILED", physical, reason)
            raise
        physical = str(getattr(made, "physical_resource_id", ""))
        record(resources.stack_id, name, source["Type"], f"{verb}_COMPLETE", physical)
        return made

    return recorded


def planned(stack: Any, template: Json, parameters: Json, tags: dict[str, str] | None = None) -> list[Json]:
    """The changes that ``template`` makes to ``stack``; those of nested stacks are change sets of their own.

    ``tags``: those that it is going to have, where they are others than now.
    """
    old, old_sources = stack.resource_map, stack.resource_map._resource_json_map
    new = Preview(stack.stack_id, stack.name, parameters, {}, REGION, ACCOUNT, template, {})
    new.load()
    sources = template["Resources"]
    existing = [name for name in old_sources if old._parsed_resources.get(name) is not None]
    new._parsed_resources.update({name: old._parsed_resources[name] for name in existing if name in sources})
    changes = []
    for name in new._order():
        if not new._is_wanted(name):
            continue
        kind = sources[name]["Type"]
        if name not in existing:
            nested = _nested(stack.name, name, None, new._properties(name)) if kind == STACK else {}
            changes.append({"Action": "Add", "LogicalResourceId": name, "ResourceType": kind, **nested})
            continue
        before, after = old._properties(name), new._properties(name)
        changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        if changed or kind == STACK:
            nested = _nested(stack.name, name, old._parsed_resources[name], after) if kind == STACK else {}
            change = _modified(name, sources[name], changed, parameters, stack.parameters) | nested
            if tags and kind == STACK:
                change["Details"].append({"Target": {"Attribute": "Tags", "RequiresRecreation": "Never"}})
            changes.append(change)
    gone = [name for name in existing if name not in sources or not new._is_wanted(name)]
    changes += [
        {
            "Action": "Remove",
            "LogicalResourceId": name,
            "ResourceType": old_sources[name]["Type"],
            "PolicyAction": "Retain" if old_sources[name].get("DeletionPolicy") in RETAINED else "Delete",
        }
        for name in gone
    ]
    return changes


def _modified(name: str, source: Json, changed: list[str], after: Json, before: Json) -> Json:
    replacing = replacing_names(source["Type"])
    different = {key for key in after if after[key] != before.get(key)}
    details = []
    for key in changed:
        causes = sorted(references(source.get("Properties", {}).get(key)) & different)
        target = {
            "Attribute": "Properties",
            "Name": key,
            "RequiresRecreation": "Always" if key in replacing else "Never",
        }
        details.append({"Target": target, **({"CausingEntity": causes[0]} if causes else {})})
    replaced = bool(replacing & set(changed))
    policy = "ReplaceAndRetain" if source.get("UpdateReplacePolicy") == "Retain" else "ReplaceAndDelete"
    return {
        "Action": "Modify",
        "LogicalResourceId": name,
        "ResourceType": source["Type"],
        "Replacement": str(replaced),
        "Details": details,
        **({"PolicyAction": policy} if replaced else {}),
    }


@dataclass
class NestedChangeSet:
    changes: list[Json]
    status: str = "CREATE_COMPLETE"
    status_reason: str | None = None
    layer: str = ""
    stack_name: str = "nested"
    change_set_name: str = ""


def _nested(parent: str, name: str, made: Made | None, properties: Json) -> Json:
    template = models.Stack.parse_template(get_stack_from_s3_url(properties["TemplateURL"], ACCOUNT, "aws"))
    parameters = {key: str(value) for key, value in properties["Parameters"].items()}
    if made is None:
        child = models.Stack("", "nested", {}, {}, ACCOUNT, REGION)
    else:
        child = backend().stacks[made.physical_resource_id]
    changes = planned(child, template, parameters)
    change_set = NestedChangeSet(changes) if changes else NestedChangeSet([], "FAILED", NO_CHANGES)
    change_set.layer, change_set.stack_name = name, f"{parent}-{name}-1A2B3C"
    if early.fails(name):
        change_set.changes, change_set.status, change_set.status_reason = [], "FAILED", EARLY
    identity = generate_changeset_id("nested", REGION, ACCOUNT)
    backend().change_sets[identity] = change_set
    return {"ChangeSetId": identity}


def _planned(change_set: Any) -> list[Json]:
    stack, tags = change_set.stack, change_set.tags
    return planned(stack, change_set.template_dict, change_set.parameters, tags if tags != stack.tags else None)


def _differs(changes: list[Json]) -> bool:
    return any(_is_difference(it) for it in changes)


def _is_difference(change: Json) -> bool:
    """A nested stack's own properties may differ by nothing but what is known after it is applied."""
    if "ChangeSetId" not in change:
        return True
    own = any(detail["Target"]["Attribute"] == "Tags" for detail in change.get("Details", []))
    return own or bool(backend().change_sets[change["ChangeSetId"]].changes)


def _failed(changes: list[Json]) -> str | None:
    """Why a change set with these changes cannot be made."""
    if early.fails(""):
        return EARLY
    for it in changes:
        if "ChangeSetId" in it and backend().change_sets[it["ChangeSetId"]].status_reason == EARLY:
            return f"Nested change set {it['ChangeSetId']} was not successfully created: Currently in FAILED."
    return None if _differs(changes) else NO_CHANGES


def _described(self: Any) -> ActionResult:
    change_set = backend().describe_change_set(self._get_param("ChangeSetName"))
    return ActionResult(
        {
            "Parameters": {},
            "Status": change_set.status,
            "StatusReason": change_set.status_reason,
            "Changes": change_set.changes,
            "StackName": change_set.stack_name,
        }
    )


def _created(create: Any) -> Any:
    def creating(self: Any, stack_name: str, **options: Any) -> Any:
        # CloudFormation adds to a stack in review; moto makes a second one of its name.
        for stack in [it for it in self.stacks.values() if it.name == stack_name and it.status == "REVIEW_IN_PROGRESS"]:
            del self.stacks[stack.stack_id]
        change_set_id, stack_id = create(self, stack_name, **options)
        change_set = self.change_sets[change_set_id]
        change_set.status_reason = _failed(change_set.changes)
        change_set.status = "FAILED" if change_set.status_reason else "CREATE_COMPLETE"
        if change_set.status_reason not in (None, NO_CHANGES):
            change_set.changes = []
        return change_set_id, stack_id

    return creating


def _protected(self: Any) -> ActionResult:
    stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
    stack.enable_termination_protection = self._get_bool_param("EnableTerminationProtection")
    return ActionResult({"StackId": stack.stack_id})


def _parent(stack: Any) -> str | None:
    """The stack that it is nested in, by its name."""
    return next(
        (
            it.stack_id
            for it in backend().stacks.values()
            if stack.name.startswith(f"{it.name}-") and stack.stack_id in physical(it)
        ),
        None,
    )


def physical(stack: Any) -> list[str]:
    return [it.physical_resource_id for it in stack.resource_map.made()]


def _given(stack: Any) -> Json:
    """The values that ``UsePreviousValue`` keeps; moto takes what an SSM parameter resolved to."""
    declared = stack.template_dict.get("Parameters", {})
    return {name: stack.parameters.get(name, it.get("Default")) for name, it in declared.items()}


def _listed(stack: Any) -> list[Json]:
    values = stack.resource_map.resolved_parameters.items()
    return [
        {"ParameterKey": name, "ParameterValue": ",".join(value) if isinstance(value, list) else value}
        for name, value in values
    ]


def _executed(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
    change_set = self.describe_change_set(change_set_name)
    stack, verb = change_set.stack, change_set.change_set_type
    stack._add_stack_event(f"{verb}_IN_PROGRESS", resource_status_reason="User Initiated")
    stack.template = change_set.template
    stack._parse_template()
    stack.description = stack.template_description
    try:
        stack.resource_map.update(stack.template_dict, change_set.parameters)
    except Exception:
        rollback = "ROLLBACK" if verb == "CREATE" else "UPDATE_ROLLBACK"
        stack._add_stack_event(f"{rollback}_IN_PROGRESS")
        if verb == "CREATE":
            stack.resource_map.roll_back()
        stack._add_stack_event(f"{rollback}_COMPLETE")
        stack.status = f"{rollback}_COMPLETE"
        return
    stack.output_map = stack._create_output_map()
    stack.parameters = change_set.parameters
    stack.tags = change_set.tags or stack.tags
    stack.status = f"{verb}_COMPLETE"
    stack._add_stack_event(stack.status)


def _deleted(delete: Any) -> Any:
    def deleting(self: Any) -> None:
        # Where the events of its resources find it; moto has it nowhere while it is being deleted.
        backend().deleted_stacks[self.stack_id] = self
        delete(self)

    return deleting


@contextmanager
def emulator() -> Iterator[str]:
    """The URL of the server, in an account with a bucket ``BUCKET``; this process's own clients reach the same one."""
    with mock_aws(), bridged(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv(DIRECTLY, "true")
        for verb, function in (("CREATE", "parse_and_create_resource"), ("UPDATE", "parse_and_update_resource")):
            patch.setattr(parsing, function, with_events(getattr(parsing, function), verb))
        patch.setattr(models, "ResourceMap", Recorded)
        patch.setattr(models.ChangeSet, "diff", _planned)
        patch.setattr(responses.CloudFormationResponse, "describe_change_set", _described)
        patch.setattr(responses.CloudFormationResponse, "describe_events", describe_events, raising=False)
        patch.setattr(responses.CloudFormationResponse, "list_change_sets", list_change_sets)
        get_template = responses.CloudFormationResponse.get_template
        patch.setattr(responses.CloudFormationResponse, "get_template", with_templates(get_template))
        patch.setattr(models.Stack, "parent_id", property(_parent), raising=False)
        # Kept, though not enforced.
        patch.setattr(responses.CloudFormationResponse, "update_termination_protection", _protected, raising=False)
        create = models.CloudFormationBackend.create_change_set
        patch.setattr(models.CloudFormationBackend, "create_change_set", _created(create))
        patch.setattr(models.CloudFormationBackend, "execute_change_set", _executed)
        patch.setattr(models.Stack, "delete", _deleted(models.Stack.delete))
        # moto would make, while it lists them, those that a failed operation has not made.
        patch.setattr(models.Stack, "stack_resources", property(lambda it: it.resource_map.made()))
        patch.setattr(models.Stack, "stack_parameters", property(_given))
        patch.setattr(models.Stack, "parameter_list", property(_listed))
        zone_id = route53.create_route53_zone_id
        # Route 53's begin with this letter, and the templates know it.
        patch.setattr(route53, "create_route53_zone_id", lambda **it: f"Z{zone_id(**it)}")
        renew()
        # moto's server would look twice a second whether it is to stop.
        patch.setattr(BaseServer.serve_forever, "__defaults__", (0.05,))
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            # moto reads a TemplateURL's bucket from the path only where the host is of this name.
            yield f"http://localhost:{server.get_host_and_port()[1]}"
        finally:
            server.stop()
            early.found.clear()


def renew() -> None:
    """An account with nothing but the bucket."""
    BackendDict.reset()
    client("s3").create_bucket(Bucket=BUCKET)


def network() -> dict[str, str]:
    """Parameters that name what the account has."""
    subnets = [subnet["SubnetId"] for subnet in client("ec2").describe_subnets()["Subnets"]]
    zone = client("route53").create_hosted_zone(Name="example.com", CallerReference=os.urandom(4).hex())["HostedZone"]
    return {
        "VpcId": client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"],
        "LoadBalancerSubnets": ",".join(subnets[:2]),
        "AsgSubnets": ",".join(subnets[:2]),
        "HostedZoneName": "example.com",
        "HostedZoneId": zone["Id"].removeprefix("/hostedzone/"),
        "IngressCidrs": "203.0.113.0/24",
        "AlarmEmails": "ops@example.com",
    }


def environment(url: str, home: Path) -> dict[str, str]:
    """What a process needs to reach the server, and no configuration besides."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(home / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "none"),
        "AWS_ENDPOINT_URL": url,
        "HOME": str(home),
    }
