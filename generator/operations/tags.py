"""The stack's own tags, which CloudFormation passes on to its resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from generator.operations.exits import Problem
from generator.operations.identity import Stack
from generator.tag_keys import KEYS

_KEY = re.compile(r"(?!aws:)[\w .:/=+@-]{1,128}", re.IGNORECASE)
_VALUE = re.compile(r"[\w .:/=+@-]{1,256}")
_MOST = 50


def read(given: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` by key. Raises Problem if AWS would not accept one.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-resource-tags.html
    """
    tags: dict[str, str] = {}
    for it in given:
        key, equals, value = it.partition("=")
        if not (equals and _KEY.fullmatch(key) and _VALUE.fullmatch(value)):
            raise Problem(
                f"--tags {it}: must be KEY=VALUE of letters, digits, spaces and _.:/=+-@, the key of 1 to 128 and not "
                "beginning with aws:, the value of 1 to 256"
            )
        if key in tags:
            raise Problem(f"--tags {key} is given twice")
        tags[key] = value
    return tags


def merged(stack: Stack | None, given: Mapping[str, str]) -> list[dict[str, str]]:
    """For CloudFormation: ``given``, and the stack's other tags.

    Raises Problem if these are too many, or if IAM, to which upper and lower case are the same in a key, would find one of
    the templates' own keys twice, and refuse the first role: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
    """
    has = {it["Key"]: it["Value"] for it in (stack or {}).get("Tags", []) if not it["Key"].startswith("aws:")}
    tags = {**has, **given}
    if len(tags) > _MOST:
        raise Problem(f"the stack would have {len(tags)} tags, more than CloudFormation's {_MOST}: leave some out")
    own = {key.lower(): key for key in KEYS}
    for key in tags:
        if own.get(key.lower(), key) != key:
            raise Problem(
                f"the stack would have the tag {key}, and its roles {own[key.lower()]} too, which are one key to IAM: leave it "
                "out (docs/runbooks/update.md)"
            )
    return [{"Key": key, "Value": value} for key, value in tags.items()]
