"""What the values of parameters look like: patterns, and lists of allowed values."""

from __future__ import annotations

SWITCH = ("true", "false")
OCTET = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
"""One of the four numbers of an IPv4 address."""
ROLE_ARN = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[^,\s]+"
POLICY_ARN = r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[^,\s]+"
IMAGE = "[a-z0-9][A-Za-z0-9._:/@+-]{0,511}"
KEY_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+"
TOPIC_ARN = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+"


def one_of(*values: object) -> tuple[str, ...]:
    """``values`` as the text that a parameter is."""
    return tuple(str(value) for value in values)


def items(item: str, most: int, *, least: int = 1) -> str:
    """A pattern for ``least`` (0 or 1) to ``most`` comma-separated items, each of the pattern ``item``."""
    several = f"{item}(,{item}){{0,{most - 1}}}"
    return f"^{several}$" if least else f"^({several})?$"


def optional(pattern: str) -> str:
    """``pattern`` as a whole, or nothing."""
    return f"^({pattern})?$"
