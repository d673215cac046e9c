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
LONGEST = 4096
"""Characters of a parameter: CloudFormation's limit in bytes.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
USER_DATA_BOUNDARY = "==pypiserver=="
"""Between the parts of the user data; ends a part at the start of any line."""
# cloud-init drops a whole part of the user data for one character beyond ASCII, and reads JSON as YAML: no tabs outside
# strings, no pair of escapes for one character, a key and its colon on one line.
CLOUD_INIT_LIST = rf'^(?![\s\S]*(--{USER_DATA_BOUNDARY}|\\u[dD][89a-fA-F]|"\s*\n\s*:))\[[\n\r -~]{{0,{LONGEST - 2}}}\]$'
CLOUD_INIT_LIST_FORM = (
    f"at most {LONGEST} printable ASCII characters, indented by spaces, not tabs, without --{USER_DATA_BOUNDARY}; "
    "other characters up to \\uffff as escapes, e.g. \\u00e9"
)
SHELL = rf"^(?![\s\S]*--{USER_DATA_BOUNDARY})[\t\n -~]{{0,{LONGEST}}}$"


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
