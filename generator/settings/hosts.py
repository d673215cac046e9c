"""The EC2 instances: type, number, image, and what is added to them."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import (
    CLOUD_INIT_LIST,
    CLOUD_INIT_LIST_FORM,
    IMAGE,
    KEY_OR_ALIAS_ARN,
    LONGEST,
    POLICY_ARN,
    SHELL,
    USER_DATA_BOUNDARY,
    items,
    optional,
    whole_number,
)
from generator.sizing import INSTANCES
from generator.tag_keys import KEYS

ASG_INSTANCE_TYPE = Setting(
    name="AsgInstanceType",
    label="Instance type",
    description="Intel, AMD or Graviton. For a type that is not in the list see AsgInstanceTypeOverride.",
    default="t3.small",
    values=tuple(INSTANCES),
)
ON_DEMAND_BASE_CAPACITY = Setting(
    name="OnDemandBaseCapacity",
    label="On-Demand hosts at least",
    description="Counted before the percentage below.",
    default="1",
    pattern=f"^({whole_number(0, 100)})$",
    constraint="must be a whole number from 0 to 100",
)
ON_DEMAND_PERCENTAGE = Setting(
    name="OnDemandPercentageAboveBaseCapacity",
    label="On-Demand percentage of the other hosts",
    description="The rest are Spot Instances.",
    default="100",
    pattern=f"^({whole_number(0, 100)})$",
    constraint="must be a whole number from 0 to 100",
)
MANAGED_TERMINATION_PROTECTION = Setting(
    name="ManagedTerminationProtection",
    label="Managed termination protection",
    description="ENABLED: a host with tasks is never scaled in. Draining moves tasks off a host in either case.",
    default="DISABLED",
    values=("DISABLED", "ENABLED"),
)
USERS = Setting(
    name="Users",
    label="Users on the hosts (JSON)",
    description='List of cloud-init user objects, e.g. [{"name": "admin", "groups": "wheel"}].',
    default="[]",
    pattern=CLOUD_INIT_LIST,
    constraint=f"must be a JSON list of cloud-init user objects, each with a name; {CLOUD_INIT_LIST_FORM}",
)
EXTRA_FILES = Setting(
    name="ExtraFiles",
    label="Files on the hosts (JSON)",
    description='List of cloud-init write_files objects, e.g. [{"path": "/etc/motd", "content": "hello"}].',
    default="[]",
    pattern=CLOUD_INIT_LIST,
    constraint=f"must be a JSON list of cloud-init write_files objects, each with an absolute path; {CLOUD_INIT_LIST_FORM}",
)
CLOUDINIT_EXTRA_COMMANDS = Setting(
    name="CloudinitExtraCommands",
    label="Shell commands on the hosts",
    description="Run as root at the end of a host's first start.",
    default="",
    pattern=SHELL,
    constraint=f"must be at most {LONGEST} printable ASCII characters, tabs and line feeds (no carriage returns), without --{USER_DATA_BOUNDARY}; write others as escapes, e.g. $'\\u00e9'",
)
EXTRA_INSTANCE_PROFILE_PERMISSIONS = Setting(
    name="ExtraInstanceProfilePermissions",
    label="Additional permissions of the hosts (JSON)",
    description="IAM policy document. Empty: none.",
    default="",
    pattern=optional(r"\{[\s\S]*\}"),
    constraint="must be an IAM policy document in JSON, or empty",
)
HOST_POLICIES = ("service-role/AmazonEC2ContainerServiceforEC2Role", "AmazonSSMManagedInstanceCore")
"""AWS's managed policies of every host: to join a cluster, and for Session Manager."""
EXTRA_MANAGED_POLICY_ARNS = Setting(
    name="ExtraManagedPolicyArns",
    label="Additional managed policies of the hosts",
    description="Up to 7 ARNs, separated by commas.",
    default="",
    # CloudFormation refuses a role with a policy that it has twice.
    pattern=items(
        rf"(?!arn:aws[a-z-]*:iam::aws:policy/({'|'.join(HOST_POLICIES)})(,|$)){POLICY_ARN}", 7, least=0, distinct=True
    ),
    constraint=f"must be up to 7 different IAM managed policy ARNs separated by commas, without those that all hosts have ({', '.join(HOST_POLICIES)}), or empty",
)
EBS_KMS_KEY_ARN = Setting(
    name="EbsKmsKeyArn",
    label="KMS key of the hosts' volumes",
    description="Its policy must admit AWSServiceRoleForAutoScaling. Empty: the account's default key.",
    default="",
    pattern=optional(KEY_OR_ALIAS_ARN),
    constraint="must be the ARN of a KMS key or of an alias of one, or empty",
)
CLOUDWATCH_AGENT_IMAGE = Setting(
    name="CloudWatchAgentImage",
    label="Image of the CloudWatch agent",
    description="Ships the hosts' logs; runs on every host. Use a mirror where hosts cannot reach public.ecr.aws.",
    default="public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300045.0b810",
    pattern=f"^{IMAGE}$",
    constraint="must be an image reference of at most 512 characters",
)

MAX_VOLUME_TAGS = 5
_TAG = "[A-Za-z0-9 _.:/+@-]"
_OURS = "|".join(KEYS)
VOLUME_TAGS = Setting(
    name="VolumeTags",
    label="Tags of the hosts' volumes",
    description=f"Up to {MAX_VOLUME_TAGS} key=value, separated by commas. The stack's own tags do not reach the volumes.",
    default="",
    # No key twice: EC2 refuses that when a host starts.
    pattern=r"^(?!(.*,)?([^=,]+)=[^,]*,(.*,)?\2=)"
    + items(
        rf"(?!([Aa][Ww][Ss]:|({_OURS})=)){_TAG}{{1,128}}={_TAG}{{0,256}}",
        MAX_VOLUME_TAGS,
        least=0,
    ).removeprefix("^"),
    constraint=f"must be up to {MAX_VOLUME_TAGS} different key=value separated by commas, of letters, digits, blanks and _.:/+@-; no key begins with aws:, or is {', '.join(KEYS[:-1])} or {KEYS[-1]}",
)

HOSTS = Group(
    "Hosts",
    (
        ASG_INSTANCE_TYPE,
        ON_DEMAND_BASE_CAPACITY,
        ON_DEMAND_PERCENTAGE,
        MANAGED_TERMINATION_PROTECTION,
        USERS,
        EXTRA_FILES,
        CLOUDINIT_EXTRA_COMMANDS,
        EXTRA_INSTANCE_PROFILE_PERMISSIONS,
        EXTRA_MANAGED_POLICY_ARNS,
        EBS_KMS_KEY_ARN,
        VOLUME_TAGS,
        CLOUDWATCH_AGENT_IMAGE,
    ),
)
