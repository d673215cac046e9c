"""The EC2 instances: type, number, image, and what is added to them."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import (
    CLOUD_INIT_LIST,
    CLOUD_INIT_LIST_FORM,
    IMAGE,
    KEY_ARN,
    LONGEST,
    POLICY_ARN,
    SHELL,
    USER_DATA_BOUNDARY,
    items,
    optional,
)
from generator.sizing import INSTANCES

MAX_GROUP_MIN = 10

ASG_INSTANCE_TYPE = Setting(
    name="AsgInstanceType",
    label="Instance type",
    description="Intel, AMD or Graviton.",
    default="t3.small",
    values=tuple(INSTANCES),
)
ASG_MIN_SIZE = Setting(
    name="AsgMinSize",
    label="Least number of hosts",
    description=f"0 to {MAX_GROUP_MIN}. 0: one for each subnet.",
    default="0",
    pattern="^([0-9]|10)$",
    constraint=f"must be a whole number from 0 to {MAX_GROUP_MIN}",
)
ASG_MAX_SIZE = Setting(
    name="AsgMaxSize",
    label="Greatest number of hosts",
    description="0 to 100. 0: enough for the greatest number of tasks, and one to spare.",
    default="0",
    pattern="^([0-9]|[1-9][0-9]|100)$",
    constraint="must be a whole number from 0 to 100",
)
ON_DEMAND_BASE_CAPACITY = Setting(
    name="OnDemandBaseCapacity",
    label="On-Demand hosts at least",
    description="Counted before the percentage below.",
    default="1",
    type="Number",
    minimum=0,
    maximum=100,
)
ON_DEMAND_PERCENTAGE = Setting(
    name="OnDemandPercentageAboveBaseCapacity",
    label="On-Demand percentage of the other hosts",
    description="The rest are Spot Instances.",
    default="100",
    type="Number",
    minimum=0,
    maximum=100,
)
AMI_ID = Setting(
    name="AmiId",
    label="AMI",
    description="An ECS-optimised Amazon Linux 2023 image of the type's architecture. Empty: the newest at each deployment.",
    default="",
    pattern=optional("ami-[0-9a-f]{8,17}"),
    constraint="must be an AMI ID, e.g. ami-0123456789abcdef0, or empty",
)
LATEST_X86_AMI_ID = Setting(
    name="LatestX86AmiId",
    label="SSM parameter of the newest x86 AMI",
    description="Leave as it is.",
    type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
    default="/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
)
LATEST_ARM_AMI_ID = Setting(
    name="LatestArmAmiId",
    label="SSM parameter of the newest Graviton AMI",
    description="Leave as it is.",
    type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
    default="/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id",
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
    label="More permissions of the hosts (JSON)",
    description="IAM policy document. Empty: none.",
    default="",
    pattern=optional(r"\{[\s\S]*\}"),
    constraint="must be an IAM policy document in JSON, or empty",
)
EXTRA_MANAGED_POLICY_ARNS = Setting(
    name="ExtraManagedPolicyArns",
    label="More managed policies of the hosts",
    description="Up to 7 ARNs, separated by commas.",
    default="",
    pattern=items(POLICY_ARN, 7, least=0),
    constraint="must be up to 7 IAM managed policy ARNs separated by commas, or empty",
)
EBS_KMS_KEY_ARN = Setting(
    name="EbsKmsKeyArn",
    label="KMS key of the hosts' volumes",
    description="Its policy must admit AWSServiceRoleForAutoScaling. Empty: the account's default key.",
    default="",
    pattern=optional(KEY_ARN),
    constraint="must be the ARN of a KMS key, or empty",
)
CLOUDWATCH_AGENT_IMAGE = Setting(
    name="CloudWatchAgentImage",
    label="Image of the CloudWatch agent",
    description="Ships the hosts' logs; runs on every host. A mirror where hosts have no way to public.ecr.aws.",
    default="public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300045.0b810",
    pattern=f"^{IMAGE}$",
    constraint="must be an image reference of at most 512 characters",
)

HOSTS = Group(
    "Hosts",
    (
        ASG_INSTANCE_TYPE,
        ASG_MIN_SIZE,
        ASG_MAX_SIZE,
        ON_DEMAND_BASE_CAPACITY,
        ON_DEMAND_PERCENTAGE,
        AMI_ID,
        LATEST_X86_AMI_ID,
        LATEST_ARM_AMI_ID,
        MANAGED_TERMINATION_PROTECTION,
        USERS,
        EXTRA_FILES,
        CLOUDINIT_EXTRA_COMMANDS,
        EXTRA_INSTANCE_PROFILE_PERMISSIONS,
        EXTRA_MANAGED_POLICY_ARNS,
        EBS_KMS_KEY_ARN,
        CLOUDWATCH_AGENT_IMAGE,
    ),
)
