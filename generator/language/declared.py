"""What a template declares about a parameter, as plain data: for code that writes templates, and code that reads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The fields of a CloudFormation Parameter, and its ``label`` in the form. Without a ``default`` it must be given.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """

    name: str
    label: str
    description: str
    default: str | None = None
    type: str = "String"
    pattern: str | None = None
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    constraint: str | None = None
