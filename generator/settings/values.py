"""What values of parameters look like: patterns, and lists of allowed values."""

from __future__ import annotations

from collections.abc import Iterator

from generator.language.wiring import Setting
from server import contract

SWITCH = ("true", "false")
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
"""One of the four numbers of an IPv4 address."""
IPV4_CIDR = (
    rf"(0(\.0){{3}}/0|{OCTET}(\.0){{3}}/[1-8]|{OCTET}\.{OCTET}(\.0){{2}}/(9|1[0-6])"
    rf"|({OCTET}\.){{3}}0/(1[7-9]|2[0-4])|{OCTET}(\.{OCTET}){{3}}/(2[5-9]|3[0-2]))"
)
"""Without the octets that the prefix excludes: to EC2 10.1.2.3/8 is 10.0.0.0/8, and 10.0.0.0/0 is everybody.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
"""
_HEXTET = "(0|[1-9a-f][0-9a-f]{0,3})"
IPV6_CIDR = (
    r"(::/0|(?!([^,:]*:){8}|[^,/]*:[1-9a-f][0-9a-f]{0,3}/([0-9]{1,2}|10[0-9]|11[0-2])(,|$))"
    rf"({_HEXTET}(:{_HEXTET}){{7}}|({_HEXTET}(:{_HEXTET})*)?(?<!\b0)::((?!0[:/]){_HEXTET}(:{_HEXTET})*)?)"
    "/([1-9][0-9]?|1[01][0-9]|12[0-8]))"
)
"""In the form of RFC 5952, as in EC2: ::/0, not 0::/0. The last hextet has nothing that the prefix excludes."""
LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""A label of a host name. Route 53 also allows others, such as underscores; certificates and load balancers do not.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_HostHeaderConditionConfig.html
"""
PRINCIPAL_ARN = r"arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/([^,*?\s/]+/)*[A-Za-z0-9_+=.@-]{1,64})"
"""A role, a user, or an account. A principal's ARN in a policy has no wildcards, and a session ends: name its role.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""
POLICY_ARN = r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[^,\s]+"
IMAGE = "[a-z0-9][A-Za-z0-9._:/@+-]{0,511}"
KEY_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+"
KEY_OR_ALIAS_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key/[a-zA-Z0-9-]+|alias/[a-zA-Z0-9/_-]{1,250})"
"""https://docs.aws.amazon.com/kms/latest/developerguide/alias-create.html"""
VAULT_ARN = r"arn:aws[a-z-]*:backup:[a-z0-9-]+:[0-9]{12}:backup-vault:[A-Za-z0-9_-]{2,50}"
"""https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupVault.html"""
TOPIC_ARN = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}"
"""A standard topic: a FIFO one, whose name ends in .fifo, requires a message group from publishers.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""
LONGEST = 4096
"""Characters of a parameter: CloudFormation's limit in bytes.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
USER_DATA_BOUNDARY = "==pypiserver=="
"""Between the parts of the user data; at the start of any line it ends a part."""
# cloud-init drops a whole part of the user data for one non-ASCII character, and reads JSON as YAML: no tabs outside
# strings, no pair of escapes for one character, a key and its colon on one line.
CLOUD_INIT_LIST = rf'^(?![\s\S]*(--{USER_DATA_BOUNDARY}|\\u[dD][89a-fA-F]|"\s*\n\s*:))\[[\n\r -~]{{0,{LONGEST - 2}}}\]$'
CLOUD_INIT_LIST_FORM = (
    f"at most {LONGEST} printable ASCII characters, indented by spaces, not tabs, without --{USER_DATA_BOUNDARY}; "
    "other characters up to \\uffff as escapes, e.g. \\u00e9"
)
SHELL = rf"^(?![\s\S]*--{USER_DATA_BOUNDARY})[\t\n -~]{{0,{LONGEST}}}$"


_DISTINCT = r"(?!(.*,)?([^,]+),(.*,)?\2(,|$))"


def of_server(variable: contract.Text | contract.Number, name: str, label: str, description: str) -> Setting:
    """The setting that the server gets as ``variable``, with its default and allowed values."""
    return Setting(
        name=name,
        label=label,
        description=description,
        default=str(variable.default),
        pattern=f"^({variable.pattern if isinstance(variable, contract.Text) else whole_number(variable.least, variable.most)})$",
        constraint=f"must be {variable.form}",
    )


def one_of(*values: object) -> tuple[str, ...]:
    """``values`` as the text of a parameter."""
    return tuple(str(value) for value in values)


def items(item: str, most: int, *, least: int = 1, distinct: bool = False) -> str:
    """A pattern for ``least`` to ``most`` items separated by commas, each of the pattern ``item``; no two alike if ``distinct``."""
    return f"^{_DISTINCT if distinct else ''}({item}(,(?!$)|$)){{{least},{most}}}$"


def host_names(most: int) -> str:
    """A pattern for 1 to ``most`` names within a zone: of one or more labels, ``@`` for the zone, ``*`` for any label.

    No name twice. No wildcard beside what it stands below: ACM validates both by the same record, which CloudFormation
    then makes twice and fails (https://github.com/aws/aws-cdk/pull/9291). None at the beginning, as the first name is the
    one that clients are told.
    """
    twice = r"(?!(.*,)?(\*\.)?([^,]+),(.*,)?(\*\.)?\3(,|$))(?!(.*,)?[@*],(.*,)?[@*](,|$))"
    name = rf"(@|\*|(\*\.)?{LABEL}(\.{LABEL})*)"
    return rf"^(?!\*){twice}{name}(,{name}){{0,{most - 1}}}$"


def whole_number(least: int, most: int) -> str:
    """A pattern for the digits of a number within these bounds, without leading zeros."""
    powers = [10**length for length in range(len(str(least)), len(str(most)) + 1)]
    return "|".join(
        pattern
        for power in powers
        for pattern in _between(str(max(least, power // 10 if power > 10 else 0)), str(min(most, power - 1)))
    )


def _between(low: str, high: str) -> Iterator[str]:
    """Patterns for the numbers from ``low`` to ``high``, which have the same number of digits."""
    first, last, rest = low[0], high[0], len(low) - 1
    zeros, nines = "0" * rest, "9" * rest
    if (low[1:], high[1:]) == (zeros, nines):
        yield (first if first == last else f"[{first}-{last}]") + "[0-9]" * rest
    elif first == last:
        yield from (first + pattern for pattern in _between(low[1:], high[1:]))
    elif low[1:] != zeros:
        yield from _between(low, first + nines)
        yield from _between(str(int(first) + 1) + zeros, high)
    else:
        yield from _between(low, str(int(last) - 1) + nines)
        yield from _between(last + zeros, high)


def optional(pattern: str) -> str:
    """``pattern`` as a whole, or nothing."""
    return f"^({pattern})?$"
