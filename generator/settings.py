"""Every operator-facing parameter, once, in the order of the console form.

Names are the CamelCase of the Terraform module's inputs where it has one. Optional text is ``""`` when not
given, lists are comma-separated. A list that becomes fixed slots is a plain ``String`` with a pattern for the
whole of it, because a ``CommaDelimitedList`` cannot bound its length.
"""

from __future__ import annotations

from generator.language.wiring import Setting
from generator.sizing import CONTAINER_CPU, CONTAINER_MEMORY, INSTANCES, MAX_SUBNETS, MAX_TASKS

REQUIRED = "Required"
NAMING = "Naming"
ACCESS = "Access"
CONTAINER = "Container"
HOSTS = "Hosts"
STORAGE = "Storage"
BACKUP = "Backup"
MONITORING = "Monitoring"
PROTECTION = "Protection"

MAX_EMAILS = 10
MAX_DNS_NAMES = 10
MAX_CIDRS = 10
MAX_IPV6_CIDRS = 5
MAX_ALARM_TOPICS = 4
"""An alarm takes five actions in each state, and one is our own topic's."""
MAX_TASK_MIN = 10
MAX_GROUP_MIN = 10


def _one_of(*values: object) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _items(item: str, most: int, *, least: int = 1) -> str:
    """A pattern for ``least`` (0 or 1) to ``most`` comma-separated items."""
    items = f"{item}(,{item}){{0,{most - 1}}}"
    return f"^{items}$" if least else f"^({items})?$"


def _optional(pattern: str) -> str:
    return f"^({pattern})?$"


_OCTET = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_SWITCH = ("true", "false")
_ROLE_ARN = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[^,\s]+"
_POLICY_ARN = r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[^,\s]+"
_KEY_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+"
BOUNDARY = "==pypiserver=="
"""Of the parts of the user data; ends a part wherever it occurs."""
_LONGEST = 4096
"""Characters of a parameter: CloudFormation's limit in bytes.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
# cloud-init drops a whole part of the user data for one character beyond ASCII, and reads JSON as YAML: no tabs outside
# strings, no pair of escapes for one character, a key and its colon on one line.
_CLOUD_INIT_LIST = rf'^(?![\s\S]*(--{BOUNDARY}|\\u[dD][89a-fA-F]|"\s*\n\s*:))\[[\n\r -~]{{0,{_LONGEST - 2}}}\]$'
_CLOUD_INIT_LIST_FORM = (
    f"; at most {_LONGEST} printable ASCII characters, indented by spaces, not tabs, without --{BOUNDARY}; "
    "other characters up to \\uffff as escapes, e.g. \\u00e9"
)
_IMAGE = "[a-z0-9][A-Za-z0-9._:/@+-]{0,511}"
_TOPIC_ARN = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+"

VPC_ID = Setting(
    name="VpcId",
    group=REQUIRED,
    label="VPC",
    type="AWS::EC2::VPC::Id",
    description="VPC of all subnets, with DNS hostnames and DNS support on.",
)
LOAD_BALANCER_SUBNETS = Setting(
    name="LoadBalancerSubnets",
    group=REQUIRED,
    label="Subnets of the load balancer",
    type="List<AWS::EC2::Subnet::Id>",
    description="Two or more, in different Availability Zones; public ones for an internet-facing load balancer.",
)
ASG_SUBNETS = Setting(
    name="AsgSubnets",
    group=REQUIRED,
    label="Subnets of the hosts and the file system",
    type="List<AWS::EC2::Subnet::Id>",
    description=f"One to {MAX_SUBNETS}, one in each Availability Zone, private, with NAT or VPC endpoints. Add and remove at the end.",
)
HOSTED_ZONE_NAME = Setting(
    name="HostedZoneName",
    group=REQUIRED,
    label="Name of the hosted zone",
    description="Domain of the server's names, without a dot at the end, e.g. example.com.",
    pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$",
    constraint="must be a lower-case domain name without a dot at the end, e.g. example.com",
)
HOSTED_ZONE_ID = Setting(
    name="HostedZoneId",
    group=REQUIRED,
    label="ID of the hosted zone",
    description="Route 53 zone of that name in this account. Empty if the zone is elsewhere: give CertificateArn, and create the records with dns.yaml.",
    default="",
    pattern=_optional("Z[A-Z0-9]+"),
    constraint="must be a Route 53 hosted zone ID, e.g. Z1234567890ABC, or empty",
)
ALARM_EMAILS = Setting(
    name="AlarmEmails",
    group=REQUIRED,
    label="E-mail addresses for alarms",
    description=f"1 to {MAX_EMAILS}, separated by commas. AWS asks each to confirm.",
    pattern=_items(r"[^\s,@]+@[^\s,@]+\.[^\s,@]+", MAX_EMAILS),
    constraint=f"must be 1 to {MAX_EMAILS} e-mail addresses separated by commas, without spaces",
)

SERVICE_NAME = Setting(
    name="ServiceName",
    group=NAMING,
    label="Service name",
    description="Names and tags of the resources.",
    default="pypiserver",
    pattern="^(?!aws|ecs|fargate)[a-z][a-z0-9-]{0,30}[a-z0-9]$",
    constraint="must be 2 to 32 lower-case letters, digits and hyphens, start with a letter, not end with a hyphen, and not start with aws, ecs or fargate",
)
ENVIRONMENT = Setting(
    name="Environment",
    group=NAMING,
    label="Environment",
    description="Tag of all resources, e.g. development, staging, production.",
    default="development",
    pattern="^[a-z0-9-]{1,256}$",
    constraint="must be 1 to 256 lower-case letters, digits and hyphens",
)
DNS_NAMES = Setting(
    name="DnsNames",
    group=NAMING,
    label="Host names in the zone",
    description=f"1 to {MAX_DNS_NAMES}, separated by commas. A change replaces the certificate.",
    default="pypiserver",
    pattern=_items("[a-z0-9]([a-z0-9-]*[a-z0-9])?", MAX_DNS_NAMES),
    constraint=f"must be 1 to {MAX_DNS_NAMES} host names of lower-case letters, digits and hyphens, separated by commas",
)

LOAD_BALANCER_SCHEME = Setting(
    name="LoadBalancerScheme",
    group=ACCESS,
    label="Load balancer scheme",
    description="internal: reachable from the VPC and what is connected to it.",
    default="internet-facing",
    values=("internet-facing", "internal"),
)
LOAD_BALANCER_IP_ADDRESS_TYPE = Setting(
    name="LoadBalancerIpAddressType",
    group=ACCESS,
    label="Load balancer address type",
    description="dualstack needs subnets with IPv6.",
    default="ipv4",
    values=("ipv4", "dualstack", "dualstack-without-public-ipv4"),
)
INGRESS_CIDRS = Setting(
    name="IngressCidrs",
    group=ACCESS,
    label="IPv4 ranges that may connect",
    description=f"1 to {MAX_CIDRS}, separated by commas.",
    default="0.0.0.0/0",
    pattern=_items(rf"{_OCTET}(\.{_OCTET}){{3}}/([0-9]|[12][0-9]|3[0-2])", MAX_CIDRS),
    constraint=f"must be 1 to {MAX_CIDRS} IPv4 CIDR blocks separated by commas, e.g. 10.0.0.0/8",
)
INGRESS_IPV6_CIDRS = Setting(
    name="IngressIpv6Cidrs",
    group=ACCESS,
    label="IPv6 ranges that may connect",
    description=f"1 to {MAX_IPV6_CIDRS}, separated by commas; used by a dual-stack load balancer.",
    default="::/0",
    pattern=_items("[0-9a-f:]+/[0-9]{1,3}", MAX_IPV6_CIDRS),
    constraint=f"must be 1 to {MAX_IPV6_CIDRS} IPv6 CIDR blocks separated by commas, e.g. 2001:db8::/32",
)
CERTIFICATE_ARN = Setting(
    name="CertificateArn",
    group=ACCESS,
    label="Existing certificate",
    description="ACM certificate for all the names, in this region. Empty: one is requested and validated in the hosted zone.",
    default="",
    pattern=_optional("arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[a-zA-Z0-9-]+"),
    constraint="must be the ARN of an ACM certificate, or empty",
)
WEB_ACL_ARN = Setting(
    name="WebAclArn",
    group=ACCESS,
    label="Web ACL (AWS WAF)",
    description="Regional web ACL to put before the load balancer. Empty: none.",
    default="",
    pattern=_optional("arn:aws[a-z-]*:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/.+"),
    constraint="must be the ARN of a regional AWS WAF web ACL, or empty",
)
SECRET_READERS = Setting(
    name="SecretReaders",
    group=ACCESS,
    label="Roles that may read the credentials",
    description="Up to 10 IAM role ARNs, separated by commas.",
    default="",
    pattern=_items(_ROLE_ARN, 10, least=0),
    constraint="must be up to 10 IAM role ARNs separated by commas, or empty",
)
READER_ACCOUNT = Setting(
    name="ReaderAccount",
    group=ACCESS,
    label="Reader account",
    description="A second account, which may list and download only.",
    default="true",
    values=_SWITCH,
)
SECRET_KMS_KEY_ARN = Setting(
    name="SecretKmsKeyArn",
    group=ACCESS,
    label="KMS key of the credentials",
    description="Readers in other accounts need one whose policy admits them. Empty: the AWS managed key.",
    default="",
    pattern=_optional(_KEY_ARN),
    constraint="must be the ARN of a KMS key, or empty",
)

DOCKER_IMAGE_TAG = Setting(
    name="DockerImageTag",
    group=CONTAINER,
    label="Tag of pypiserver/pypiserver",
    description="Not v2.3.x: it refuses uploads with much metadata.",
    default="v2.4.1",
    pattern=r"^(?!v2\.3\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
    constraint="must be an image tag, and not v2.3.x",
)
CONTAINER_IMAGE = Setting(
    name="ContainerImage",
    group=CONTAINER,
    label="Whole image reference",
    description="Replaces the tag, e.g. a mirror in ECR or a digest. Empty: pypiserver/pypiserver from Docker Hub.",
    default="",
    pattern=_optional(_IMAGE),
    constraint="must be an image reference of at most 512 characters, or empty",
)
PACKAGE_BACKEND = Setting(
    name="PackageBackend",
    group=CONTAINER,
    label="Package backend",
    description="simple-dir: pypiserver's own, which reads the whole directory for each request.",
    default="indexed",
    values=("indexed", "simple-dir"),
)
IMMUTABLE_PACKAGES = Setting(
    name="ImmutablePackages",
    group=CONTAINER,
    label="Immutable packages",
    description="true: a file that was uploaded can be neither overwritten nor removed, as on PyPI.",
    default="true",
    values=_SWITCH,
)
FALLBACK_URL = Setting(
    name="FallbackUrl",
    group=CONTAINER,
    label="Index for unknown projects",
    description="Clients are redirected there; anybody could publish under the name of a private project. Empty: 404.",
    default="",
    pattern=_optional(r'https?://[!"$->@-~]{1,247}'),
    constraint="must be the URL of a simple index of at most 255 characters, e.g. https://pypi.org/simple, or empty",
)
TASK_MIN_COUNT = Setting(
    name="TaskMinCount",
    group=CONTAINER,
    label="Least number of tasks",
    description=f"0 to {MAX_TASK_MIN}.",
    default="2",
    pattern="^([0-9]|10)$",
    constraint=f"must be a whole number from 0 to {MAX_TASK_MIN}",
)
TASK_MAX_COUNT = Setting(
    name="TaskMaxCount",
    group=CONTAINER,
    label="Greatest number of tasks",
    description=f"1 to {MAX_TASKS}.",
    default="10",
    pattern="^([1-9]|[1-4][0-9]|50)$",
    constraint=f"must be a whole number from 1 to {MAX_TASKS}",
)
CONTAINER_MEMORY_LIMIT = Setting(
    name="ContainerMemory",
    group=CONTAINER,
    label="Memory limit of a task (MiB)",
    description="A task that needs more is ended.",
    default="512",
    values=_one_of(*CONTAINER_MEMORY),
)
CONTAINER_MEMORY_RESERVATION = Setting(
    name="ContainerMemoryReservation",
    group=CONTAINER,
    label="Memory reserved for a task (MiB)",
    description="0: three quarters of the limit.",
    default="0",
    values=_one_of(0, *CONTAINER_MEMORY),
)
CONTAINER_CPU_UNITS = Setting(
    name="ContainerCpu",
    group=CONTAINER,
    label="CPU units reserved for a task",
    description="1024 to a vCPU. 0: 256 for each automatic worker.",
    default="0",
    values=_one_of(0, *CONTAINER_CPU),
)
GUNICORN_WORKERS = Setting(
    name="GunicornWorkers",
    group=CONTAINER,
    label="Worker processes in a task",
    description="0: one for every 256 MiB of the memory limit, 1 to 4.",
    default="0",
    values=_one_of(*range(17)),
)
ENABLE_EXECUTE_COMMAND = Setting(
    name="EnableExecuteCommand",
    group=CONTAINER,
    label="ECS Exec",
    description="true allows a shell in a task, for which its root file system becomes writable.",
    default="false",
    values=_SWITCH,
)

ASG_INSTANCE_TYPE = Setting(
    name="AsgInstanceType",
    group=HOSTS,
    label="Instance type",
    description="Intel, AMD or Graviton.",
    default="t3.micro",
    values=tuple(INSTANCES),
)
ASG_MIN_SIZE = Setting(
    name="AsgMinSize",
    group=HOSTS,
    label="Least number of hosts",
    description=f"0 to {MAX_GROUP_MIN}. 0: one for each subnet.",
    default="0",
    pattern="^([0-9]|10)$",
    constraint=f"must be a whole number from 0 to {MAX_GROUP_MIN}",
)
ASG_MAX_SIZE = Setting(
    name="AsgMaxSize",
    group=HOSTS,
    label="Greatest number of hosts",
    description="0 to 100. 0: enough for the greatest number of tasks, and one to spare.",
    default="0",
    pattern="^([0-9]|[1-9][0-9]|100)$",
    constraint="must be a whole number from 0 to 100",
)
ON_DEMAND_BASE_CAPACITY = Setting(
    name="OnDemandBaseCapacity",
    group=HOSTS,
    label="On-Demand hosts at least",
    description="Counted before the percentage below.",
    default="1",
    type="Number",
    minimum=0,
    maximum=100,
)
ON_DEMAND_PERCENTAGE = Setting(
    name="OnDemandPercentageAboveBaseCapacity",
    group=HOSTS,
    label="On-Demand percentage of the other hosts",
    description="The rest are Spot Instances.",
    default="100",
    type="Number",
    minimum=0,
    maximum=100,
)
AMI_ID = Setting(
    name="AmiId",
    group=HOSTS,
    label="AMI",
    description="An ECS-optimised Amazon Linux 2023 image of the type's architecture. Empty: the newest at each deployment.",
    default="",
    pattern=_optional("ami-[0-9a-f]{8,17}"),
    constraint="must be an AMI ID, e.g. ami-0123456789abcdef0, or empty",
)
LATEST_X86_AMI_ID = Setting(
    name="LatestX86AmiId",
    group=HOSTS,
    label="SSM parameter of the newest x86 AMI",
    description="Leave as it is.",
    type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
    default="/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
)
LATEST_ARM_AMI_ID = Setting(
    name="LatestArmAmiId",
    group=HOSTS,
    label="SSM parameter of the newest Graviton AMI",
    description="Leave as it is.",
    type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
    default="/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id",
)
MANAGED_TERMINATION_PROTECTION = Setting(
    name="ManagedTerminationProtection",
    group=HOSTS,
    label="Managed termination protection",
    description="ENABLED: a host with tasks is never scaled in. Draining moves tasks off a host in either case.",
    default="DISABLED",
    values=("DISABLED", "ENABLED"),
)
USERS = Setting(
    name="Users",
    group=HOSTS,
    label="Users on the hosts (JSON)",
    description='List of cloud-init user objects, e.g. [{"name": "admin", "groups": "wheel"}].',
    default="[]",
    pattern=_CLOUD_INIT_LIST,
    constraint=f"must be a JSON list of cloud-init user objects, each with a name{_CLOUD_INIT_LIST_FORM}",
)
EXTRA_FILES = Setting(
    name="ExtraFiles",
    group=HOSTS,
    label="Files on the hosts (JSON)",
    description='List of cloud-init write_files objects, e.g. [{"path": "/etc/motd", "content": "hello"}].',
    default="[]",
    pattern=_CLOUD_INIT_LIST,
    constraint=f"must be a JSON list of cloud-init write_files objects, each with an absolute path{_CLOUD_INIT_LIST_FORM}",
)
CLOUDINIT_EXTRA_COMMANDS = Setting(
    name="CloudinitExtraCommands",
    group=HOSTS,
    label="Shell commands on the hosts",
    description="Run as root at the end of a host's first start.",
    default="",
    pattern=rf"^(?![\s\S]*--{BOUNDARY})[\t\n -~]{{0,{_LONGEST}}}$",
    constraint=f"must be at most {_LONGEST} printable ASCII characters, tabs and line feeds (no carriage returns), without --{BOUNDARY}; write other characters as escapes, e.g. $'\\u00e9'",
)
EXTRA_INSTANCE_PROFILE_PERMISSIONS = Setting(
    name="ExtraInstanceProfilePermissions",
    group=HOSTS,
    label="More permissions of the hosts (JSON)",
    description="IAM policy document. Empty: none.",
    default="",
    pattern=_optional(r"\{[\s\S]*\}"),
    constraint="must be an IAM policy document in JSON, or empty",
)
EXTRA_MANAGED_POLICY_ARNS = Setting(
    name="ExtraManagedPolicyArns",
    group=HOSTS,
    label="More managed policies of the hosts",
    description="Up to 7 ARNs, separated by commas.",
    default="",
    pattern=_items(_POLICY_ARN, 7, least=0),
    constraint="must be up to 7 IAM managed policy ARNs separated by commas, or empty",
)
CLOUDWATCH_AGENT_IMAGE = Setting(
    name="CloudWatchAgentImage",
    group=HOSTS,
    label="Image of the CloudWatch agent",
    description="Ships the hosts' logs; runs on every host.",
    default="public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300045.0b810",
    pattern=f"^{_IMAGE}$",
    constraint="must be an image reference of at most 512 characters",
)

EXISTING_FILE_SYSTEM_ID = Setting(
    name="ExistingFileSystemId",
    group=STORAGE,
    label="Existing file system",
    description="EFS file system to serve from: after a restore, from the Terraform module, or under a KMS key of yours. Empty: a new one.",
    default="",
    pattern=_optional("fs-[0-9a-f]{8,17}"),
    constraint="must be an EFS file system ID, e.g. fs-0123456789abcdef0, or empty",
)
CREATE_MOUNT_TARGETS = Setting(
    name="CreateMountTargets",
    group=STORAGE,
    label="Create mount targets",
    description="false if the existing file system has them in the hosts' zones and they admit the hosts on port 2049.",
    default="true",
    values=_SWITCH,
)
PACKAGES_PATH = Setting(
    name="PackagesPath",
    group=STORAGE,
    label="Directory of the packages",
    description="On the file system, e.g. /aws-backup-restore_2026-01-01/packages after a restore. A new one is created.",
    default="/packages",
    pattern=r"^(?=.{2,100}$)(/(?!\.{1,2}(/|$))[A-Za-z0-9._:-]+){1,4}$",
    constraint="must be an absolute path of 1 to 4 directories and at most 100 characters, not / itself",
)
EFS_LIFECYCLE_POLICY = Setting(
    name="EfsLifecyclePolicy",
    group=STORAGE,
    label="Days to Infrequent Access",
    description="Without access to a file.",
    default="30",
    values=_one_of("none", 1, 7, 14, 30, 60, 90, 180, 270, 365),
)
EFS_ARCHIVE_POLICY = Setting(
    name="EfsArchivePolicy",
    group=STORAGE,
    label="Days to Archive",
    description="Without access to a file; needs elastic throughput, and more days than Infrequent Access.",
    default="none",
    values=_one_of("none", 7, 14, 30, 60, 90, 180, 270, 365),
)
EFS_THROUGHPUT_MODE = Setting(
    name="EfsThroughputMode",
    group=STORAGE,
    label="Throughput mode",
    description="elastic: paid by use, no credits to run out of.",
    default="elastic",
    values=("elastic", "bursting", "provisioned"),
)
EFS_PROVISIONED_THROUGHPUT = Setting(
    name="EfsProvisionedThroughputInMibps",
    group=STORAGE,
    label="Provisioned throughput (MiB/s)",
    description="1 to 3414, in provisioned mode only.",
    default="",
    pattern=_optional("[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-3][0-9]{2}|340[0-9]|341[0-4]"),
    constraint="must be a whole number from 1 to 3414, or empty",
)

ENABLE_EFS_BACKUP = Setting(
    name="EnableEfsBackup",
    group=BACKUP,
    label="Backups",
    description="Vault, plan and selection of AWS Backup.",
    default="true",
    values=_SWITCH,
)
BACKUP_SCHEDULE = Setting(
    name="BackupSchedule",
    group=BACKUP,
    label="Schedule",
    description="Cron expression, UTC.",
    default="cron(0 2 * * ? *)",
    pattern=r"^cron\(\S+( \S+){5}\)$",
    constraint="must be cron( with six fields ), e.g. cron(0 2 * * ? *)",
)
BACKUP_RETENTION_DAYS = Setting(
    name="BackupRetentionDays",
    group=BACKUP,
    label="Days to keep a backup",
    description="1 to 36500.",
    default="7",
    type="Number",
    minimum=1,
    maximum=36500,
)
BACKUPS_FORCE_DESTROY = Setting(
    name="BackupsForceDestroy",
    group=BACKUP,
    label="Delete backups with the stack",
    description="true: recovery points and vault are deleted. false: they stay.",
    default="false",
    values=_SWITCH,
)

ALARM_TOPIC_ARNS = Setting(
    name="AlarmTopicArns",
    group=MONITORING,
    label="More topics for alarms",
    description=f"Up to {MAX_ALARM_TOPICS} SNS topic ARNs, separated by commas; all alarms go there too.",
    default="",
    pattern=_items(_TOPIC_ARN, MAX_ALARM_TOPICS, least=0),
    constraint=f"must be up to {MAX_ALARM_TOPICS} SNS topic ARNs separated by commas, or empty",
)
EFS_BURST_CREDIT_THRESHOLD = Setting(
    name="EfsBurstCreditThreshold",
    group=MONITORING,
    label="Alarm below this burst credit balance (bytes)",
    description="In bursting mode.",
    default="1000000000000",
    type="Number",
    minimum=1,
)
ENABLE_CLOUDWATCH_DASHBOARD = Setting(
    name="EnableCloudwatchDashboard",
    group=MONITORING,
    label="Dashboard",
    description="CloudWatch dashboard of the service.",
    default="true",
    values=_SWITCH,
)
LOG_RETENTION_DAYS = Setting(
    name="LogRetentionDays",
    group=MONITORING,
    label="Days to keep logs",
    description="Of the tasks, the hosts and the load balancer.",
    default="365",
    values=_one_of(
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
    ),
)
LOG_KMS_KEY_ARN = Setting(
    name="LogKmsKeyArn",
    group=MONITORING,
    label="KMS key of the log groups",
    description="Its policy must admit CloudWatch Logs. Empty: encrypted by CloudWatch Logs.",
    default="",
    pattern=_optional(_KEY_ARN),
    constraint="must be the ARN of a KMS key, or empty",
)

DELETION_PROTECTION = Setting(
    name="DeletionProtection",
    group=PROTECTION,
    label="Deletion protection of the load balancer",
    description="Turn on after the first deployment: with it a failed one cannot roll back.",
    default="false",
    values=_SWITCH,
)
ACCESS_LOG_FORCE_DESTROY = Setting(
    name="AccessLogForceDestroy",
    group=PROTECTION,
    label="Delete access logs with the stack",
    description="true: the bucket is emptied and deleted. false: it stays.",
    default="false",
    values=_SWITCH,
)
PERMISSIONS_BOUNDARY_ARN = Setting(
    name="PermissionsBoundaryArn",
    group=PROTECTION,
    label="Permissions boundary",
    description="IAM policy for all roles. Empty: none.",
    default="",
    pattern=_optional(_POLICY_ARN),
    constraint="must be the ARN of an IAM policy, or empty",
)

ALL: tuple[Setting, ...] = tuple(value for value in tuple(globals().values()) if isinstance(value, Setting))
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(setting.group for setting in ALL))
