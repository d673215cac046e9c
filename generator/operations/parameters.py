"""The operator's file of parameters, in each form that ``aws cloudformation deploy`` takes."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from generator.operations.aws import Client, Problem


def read(path: Path) -> dict[str, str]:
    """Values by name. Raises Problem where the file is missing or has none of the three forms.

    ``["Key=value", …]``, ``[{"ParameterKey": …, "ParameterValue": …}, …]`` or ``{"Parameters": {…}}``:
    https://docs.aws.amazon.com/cli/latest/reference/cloudformation/deploy/
    """
    try:
        match json.loads(path.read_text()):
            case {"Parameters": dict(values)}:
                return {name: str(value) for name, value in values.items()}
            case [*items]:
                return dict(_item(item) for item in items)
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}: copy templates/parameters.example.json and fill it in") from error
    except (json.JSONDecodeError, ValueError) as error:
        raise Problem(f"{path}: {error}") from error
    raise Problem(f'{path}: neither a list like ["VpcId=vpc-…"] nor an object like {{"Parameters": {{…}}}}')


def _item(item: Any) -> tuple[str, str]:
    match item:
        case str() if "=" in item:
            name, _, value = item.partition("=")
            return name, value
        case {"ParameterKey": str(name), "ParameterValue": str(value)}:
            return name, value
    raise ValueError(f'{json.dumps(item)} is neither "Key=value" nor a ParameterKey with its ParameterValue')


def resolve(
    cloudformation: Client, template_url: str, given: dict[str, str], previous: set[str]
) -> list[dict[str, Any]]:
    """``given`` for the template's parameters; the rest keeps the deployed value, or takes the default.

    Raises Problem for a name that the template does not have, and for a required parameter without a value.
    """
    declared = cloudformation.get_template_summary(TemplateURL=template_url)["Parameters"]
    names = [it["ParameterKey"] for it in declared]
    for name in given:
        if name not in names:
            close = "".join(f", but {match}" for match in get_close_matches(name, names, n=1))
            raise Problem(f"the template has no parameter {name}{close}")
    missing = [
        it["ParameterKey"]
        for it in declared
        if it.get("DefaultValue") is None and it["ParameterKey"] not in {*given, *previous}
    ]
    if missing:
        raise Problem(f"the file of parameters lacks {', '.join(missing)}")
    return [
        {"ParameterKey": name, "ParameterValue": given[name]}
        if name in given
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in names
        if name in given or name in previous
    ]
