"""The file system of the packages."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import KEY_ARN, SWITCH, one_of, optional

EXISTING_FILE_SYSTEM_ID = Setting(
    name="ExistingFileSystemId",
    label="Existing file system",
    description="EFS file system to serve from: after a restore, or from the Terraform module. Empty: a new one.",
    default="",
    pattern=optional("fs-[0-9a-f]{8,17}"),
    constraint="must be an EFS file system ID, e.g. fs-0123456789abcdef0, or empty",
)
CREATE_MOUNT_TARGETS = Setting(
    name="CreateMountTargets",
    label="Create mount targets",
    description="false if the existing file system has them in the hosts' zones and they admit the hosts on port 2049.",
    default="true",
    values=SWITCH,
)
PACKAGES_PATH = Setting(
    name="PackagesPath",
    label="Directory of the packages",
    description="On the file system, e.g. /aws-backup-restore_2026-01-01/packages after a restore. A new one is created.",
    default="/packages",
    pattern=r"^(?=.{2,100}$)(/(?!\.{1,2}(/|$))[A-Za-z0-9._:-]+){1,4}$",
    constraint="must be an absolute path of 1 to 4 directories and at most 100 characters, not / itself",
)
EFS_KMS_KEY_ARN = Setting(
    name="EfsKmsKeyArn",
    label="KMS key of a new file system",
    description="Fixed when the file system is created: a change is refused by deploy and the stack policy, as it would begin with an empty one. Empty: the AWS managed key.",
    default="",
    pattern=optional(KEY_ARN),
    constraint="must be the ARN of a KMS key, not of an alias, or empty",
)
EFS_LIFECYCLE_POLICY = Setting(
    name="EfsLifecyclePolicy",
    label="Days to Infrequent Access",
    description="Without access to a file.",
    default="30",
    values=one_of("none", 1, 7, 14, 30, 60, 90, 180, 270, 365),
)
EFS_ARCHIVE_POLICY = Setting(
    name="EfsArchivePolicy",
    label="Days to Archive",
    description="Without access to a file; needs elastic throughput, and more days than Infrequent Access.",
    default="none",
    values=one_of("none", 7, 14, 30, 60, 90, 180, 270, 365),
)
EFS_THROUGHPUT_MODE = Setting(
    name="EfsThroughputMode",
    label="Throughput mode",
    description="elastic: paid by use, no credits to run out of.",
    default="elastic",
    values=("elastic", "bursting", "provisioned"),
)
EFS_PROVISIONED_THROUGHPUT = Setting(
    name="EfsProvisionedThroughputInMibps",
    label="Provisioned throughput (MiB/s)",
    description="1 to 3414, in provisioned mode only.",
    default="",
    pattern=optional("[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-3][0-9]{2}|340[0-9]|341[0-4]"),
    constraint="must be a whole number from 1 to 3414, or empty",
)

STORAGE = Group(
    "Storage",
    (
        EXISTING_FILE_SYSTEM_ID,
        CREATE_MOUNT_TARGETS,
        PACKAGES_PATH,
        EFS_KMS_KEY_ARN,
        EFS_LIFECYCLE_POLICY,
        EFS_ARCHIVE_POLICY,
        EFS_THROUGHPUT_MODE,
        EFS_PROVISIONED_THROUGHPUT,
    ),
)
