"""Run with the Python of ``.venv/ministack``: MiniStack's CloudFormation over an account that is a directory.

``ministack_bridge.py DIRECTORY`` serves on ``GATEWAY_PORT``. The engine is MiniStack's: templates, parameters, Rules, order,
change sets, roll-back, clean-up. In the place of its services, of which it has half of ours, each resource is a file of
``DIRECTORY/account`` with its properties. ``DIRECTORY/types.json`` says of each type what replaces it, which attributes it
has, and what tells it from others; ``DIRECTORY/fails`` has the logical ID whose next creation or change fails.

What the engine lacks, or does as CloudFormation does not, is mended below, each with what CloudFormation does.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from ministack import app
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

HERE = Path(sys.argv[1])
ACCOUNT, FAILS = HERE / "account", HERE / "fails"
TYPES = json.loads((HERE / "types.json").read_text())
STACK = "AWS::CloudFormation::Stack"
ARN = "arn:aws:service:us-east-1:000000000000:"


def conditions(template, parameters):
    """Every function that Conditions may have; MiniStack's own evaluator knows some.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/conditions-section-structure.html
    """
    declared, found = template.get("Conditions", {}), {}

    def value(node):
        return engine._resolve_refs(node, {}, parameters, found, template.get("Mappings", {}), "", "")

    def holds(node):
        match node:
            case {"Condition": name}:
                if name not in found:
                    found[name] = holds(declared[name])
                return found[name]
            case {"Fn::And": tests}:
                return all(holds(test) for test in tests)
            case {"Fn::Or": tests}:
                return any(holds(test) for test in tests)
            case {"Fn::Not": [test]}:
                return not holds(test)
            case {"Fn::Equals": [one, other]}:
                return str(value(one)) == str(value(other))
        raise ValueError(f"Template error: {node} is no condition")

    for name in declared:
        holds({"Condition": name})
    return found


def replaces(kind, had, properties):
    """Whether the change of a property is one of those that make a resource anew."""

    def at(path, node):
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
        return node

    return kind in TYPES and any(at(path, had) != at(path, properties) for path in TYPES[kind]["replacing"])


def fail(title):
    if FAILS.exists() and FAILS.read_text() == title:
        FAILS.unlink()
        raise ValueError(f"{title} was told to fail")


def place(physical):
    return ACCOUNT / sha256(physical.encode()).hexdigest()


def write(physical, title, properties):
    place(physical).write_text(json.dumps({"title": title, "name": physical, "properties": properties}))


def attributes(kind, physical):
    name = physical.rpartition("/")[2]
    return {
        it: f"{ARN}{kind.replace('::', '-')}/{it}/{name}" if "Arn" in it else f"{it}-of-{name}"
        for it in TYPES[kind]["attributes"]
    }


def create(kind):
    def made(title, properties, _stack):
        fail(title)
        given = [properties.get(name) for name in TYPES[kind]["identifier"]]
        # Two resources of one type cannot have one name, or be about one thing.
        named = bool(given) and all(isinstance(it, str) for it in given)
        name = f"{kind.replace('::', '-')}/" + (
            ",".join(given).replace("/", "|") if named else f"{title}-{uuid4().hex[:8]}"
        )
        physical = ARN + name if TYPES[kind]["is_arn"] else name
        if place(physical).exists():
            raise ValueError(f"{physical} already exists")
        write(physical, title, properties)
        return physical, attributes(kind, physical)

    return made


def update(kind):
    def changed(physical, _had, properties, _stack, title):
        fail(title)
        if not place(physical).exists():
            raise ValueError(f"{physical} does not exist")
        write(physical, title, properties)
        return physical, attributes(kind, physical)

    return changed


def delete(physical, _properties):
    place(physical).unlink(missing_ok=True)


def create_stack(title, properties, parent):
    """What a nested stack that fails has made goes; MiniStack would leave it."""
    fail(title)
    before = set(cloudformation._stacks)
    try:
        return provisioners._cfn_nested_stack_deploy(title, properties, parent)
    except Exception:
        for name in set(cloudformation._stacks) - before:
            empty(name, {"Delete", "RetainExceptOnCreate"})
        raise


def delete_stack(physical, _properties):
    """What the template keeps stays; MiniStack would delete that too."""
    name = provisioners._nested_stack_lookup_name(physical)
    parent = cloudformation._stacks[cloudformation._stacks[name]["_parent_stack_name"]]
    failed = parent["StackStatus"] == "ROLLBACK_IN_PROGRESS"
    empty(name, {"Delete", "RetainExceptOnCreate"} if failed else {"Delete"})


def empty(name, policies):
    """Delete the nested stack, users first, and those resources whose DeletionPolicy is one of ``policies``."""
    child = cloudformation._stacks.pop(name)
    defined, resources = child["_template"]["Resources"], child["_resources"]
    for title in reversed(engine._topological_sort(defined, child["_conditions"])):
        if title in resources and defined[title].get("DeletionPolicy", "Delete") in policies:
            it = resources[title]
            provisioners._delete_resource(it["ResourceType"], it["PhysicalResourceId"], it["Properties"], name, title)


def update_resource(kind, physical, had, properties, stack, title=None, known=None):
    """A resource that stays as it is keeps its attributes; in nested stacks MiniStack would forget them."""
    return UPDATE(
        kind, physical, had, properties, stack, title, known or (attributes(kind, physical) if kind in TYPES else None)
    )


UPDATE = provisioners._update_resource


def main():
    ACCOUNT.mkdir()
    for module in (changesets, engine, handlers, provisioners, stacks):
        for name, ours in (
            ("_evaluate_conditions", conditions),
            ("_replacing_change", replaces),
            ("_update_resource", update_resource),
        ):
            if hasattr(module, name):
                setattr(module, name, ours)
    # Names are checked by `create`.
    provisioners._CUSTOM_NAME_REPLACEMENT.clear()
    for kind in TYPES:
        provisioners._RESOURCE_HANDLERS[kind] = {
            "create": create(kind),
            "update": update(kind),
            "update_with_logical_id": True,
            "delete": delete,
        }
    provisioners._RESOURCE_HANDLERS[STACK] |= {"create": create_stack, "delete": delete_stack}
    sys.argv[1:] = []
    app.main()


main()
