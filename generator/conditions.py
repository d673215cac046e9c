"""Every Condition, once. Names say what is true (``Is…``) or what exists (``Has…``)."""

from __future__ import annotations

from troposphere import And, Condition, Equals, FindInMap, Not, Or, Select, Split, Sub

from generator import settings
from generator.language.wiring import Setting, When
from generator.sizing import instance_table


def _given(name: str, setting: Setting, nothing: str = "") -> When:
    return When(name, lambda stack: Not(Equals(stack.take(setting), nothing)))


def _is(name: str, setting: Setting, value: str) -> When:
    return When(name, lambda stack: Equals(stack.take(setting), value))


HAS_HOSTED_ZONE = _given("HasHostedZone", settings.HOSTED_ZONE_ID)
HAS_WEB_ACL = _given("HasWebAcl", settings.WEB_ACL_ARN)
HAS_SECRET_READERS = _given("HasSecretReaders", settings.SECRET_READERS)
HAS_SECRET_KEY = _given("HasSecretKey", settings.SECRET_KMS_KEY_ARN)
HAS_LOG_KEY = _given("HasLogKey", settings.LOG_KMS_KEY_ARN)
HAS_PERMISSIONS_BOUNDARY = _given("HasPermissionsBoundary", settings.PERMISSIONS_BOUNDARY_ARN)
HAS_CONTAINER_IMAGE = _given("HasContainerImage", settings.CONTAINER_IMAGE)
HAS_MEMORY_RESERVATION = _given("HasMemoryReservation", settings.CONTAINER_MEMORY_RESERVATION, "0")
HAS_CONTAINER_CPU = _given("HasContainerCpu", settings.CONTAINER_CPU_UNITS, "0")
HAS_GUNICORN_WORKERS = _given("HasGunicornWorkers", settings.GUNICORN_WORKERS, "0")
HAS_GROUP_MIN = _given("HasGroupMin", settings.ASG_MIN_SIZE, "0")
HAS_GROUP_MAX = _given("HasGroupMax", settings.ASG_MAX_SIZE, "0")
HAS_EBS_KEY = _given("HasEbsKey", settings.EBS_KMS_KEY_ARN)
HAS_INSTANCE_TYPE_OVERRIDE = _given("HasInstanceTypeOverride", settings.ASG_INSTANCE_TYPE_OVERRIDE)
HAS_AMI = _given("HasAmi", settings.AMI_ID)
HAS_EXTRA_PERMISSIONS = _given("HasExtraPermissions", settings.EXTRA_INSTANCE_PROFILE_PERMISSIONS)
HAS_EXTRA_POLICIES = _given("HasExtraPolicies", settings.EXTRA_MANAGED_POLICY_ARNS)
HAS_EXISTING_FILE_SYSTEM = _given("HasExistingFileSystem", settings.EXISTING_FILE_SYSTEM_ID)
HAS_FILE_SYSTEM_KEY = _given("HasFileSystemKey", settings.EFS_KMS_KEY_ARN)
HAS_LIFECYCLE = _given("HasLifecycle", settings.EFS_LIFECYCLE_POLICY, "none")
HAS_ARCHIVE = _given("HasArchive", settings.EFS_ARCHIVE_POLICY, "none")
HAS_WEEKLY_BACKUP = _given("HasWeeklyBackup", settings.BACKUP_WEEKLY_RETENTION_DAYS, "0")
HAS_MONTHLY_BACKUP = _given("HasMonthlyBackup", settings.BACKUP_MONTHLY_RETENTION_DAYS, "0")
HAS_BACKUP_COPY = _given("HasBackupCopy", settings.BACKUP_COPY_VAULT_ARN)
HAS_BACKUP_KEY = _given("HasBackupKey", settings.BACKUP_KMS_KEY_ARN)
HAS_VAULT_LOCK = _given("HasVaultLock", settings.BACKUP_VAULT_LOCK, "none")
HAS_ALARM_TOPICS = _given("HasAlarmTopics", settings.ALARM_TOPIC_ARNS)
HAS_PAGER = _given("HasPager", settings.PAGER_TOPIC_ARN)
HAS_ALWAYS_TASKS = _given("HasAlwaysTasks", settings.TASK_MIN_COUNT, "0")

IS_EC2 = _is("IsEc2", settings.CAPACITY, "ec2")
IS_SPOT_TASKS = _is("IsSpotTasks", settings.CAPACITY, "fargate-spot")
IS_EXECUTE_COMMAND = _is("IsExecuteCommand", settings.ENABLE_EXECUTE_COMMAND, "true")
IS_TERMINATION_PROTECTED = _is("IsTerminationProtected", settings.MANAGED_TERMINATION_PROTECTION, "ENABLED")
IS_ONE_DAY_LIFECYCLE = _is("IsOneDayLifecycle", settings.EFS_LIFECYCLE_POLICY, "1")
IS_BURSTING = _is("IsBursting", settings.EFS_THROUGHPUT_MODE, "bursting")
IS_PROVISIONED = _is("IsProvisioned", settings.EFS_THROUGHPUT_MODE, "provisioned")
HAS_READER = _is("HasReader", settings.READER_ACCOUNT, "true")
HAS_ROTATION = _given("HasRotation", settings.PASSWORD_ROTATION_DAYS, "0")
HAS_TOKENS = _is("HasTokens", settings.TOKENS, "true")
HAS_MOUNT_TARGETS = _is("HasMountTargets", settings.CREATE_MOUNT_TARGETS, "true")
HAS_BACKUP = _is("HasBackup", settings.ENABLE_EFS_BACKUP, "true")
IS_LOCK_FINAL = _is("IsLockFinal", settings.BACKUP_VAULT_LOCK, "compliance")
IS_CONTAINER_INSIGHTS = _is("IsContainerInsights", settings.ENABLE_CONTAINER_INSIGHTS, "true")
HAS_DASHBOARD = _is("HasDashboard", settings.ENABLE_CLOUDWATCH_DASHBOARD, "true")
HAS_HTTP = _is("HasHttp", settings.HTTP_REDIRECT, "true")
IS_INTERNAL = _is("IsInternal", settings.LOAD_BALANCER_SCHEME, "internal")
IS_ACCESS_LOG_DESTROYED = _is("IsAccessLogDestroyed", settings.ACCESS_LOG_FORCE_DESTROY, "true")

IS_DUAL_STACK = _given("IsDualStack", settings.LOAD_BALANCER_IP_ADDRESS_TYPE, "ipv4")
IS_ARM = When(
    "IsArm",
    lambda stack: Equals(
        FindInMap(stack.mapping("Instances", instance_table()), stack.take(settings.ASG_INSTANCE_TYPE), "Architecture"),
        "arm64",
    ),
)
IS_BURSTABLE = When(
    "IsBurstable",
    # The family's first letter: of the override, otherwise of the listed type.
    lambda stack: Equals(
        Select(
            0,
            Split(
                "t",
                Sub(
                    "${Override}${Listed}",
                    Override=stack.take(settings.ASG_INSTANCE_TYPE_OVERRIDE),
                    Listed=stack.take(settings.ASG_INSTANCE_TYPE),
                ),
            ),
        ),
        "",
    ),
)


def _any(tests: list[Equals]) -> Or | Equals:
    return Or(*tests) if len(tests) > 1 else tests[0]


def every(name: str, *conditions: When) -> When:
    """Whether all of two or more conditions hold."""
    return When(name, lambda stack: And(*(Condition(stack.when(it)) for it in conditions)))


def _not(name: str, condition: When) -> When:
    return When(name, lambda stack: Not(Condition(stack.when(condition))))


IS_FARGATE = _not("IsFargate", IS_EC2)
HAS_READER_ROTATION = every("HasReaderRotation", HAS_ROTATION, HAS_READER)
HAS_POLLED = When("HasPolled", lambda stack: Or(Condition(stack.when(HAS_ROTATION)), Condition(stack.when(HAS_TOKENS))))
"""Tasks re-read secrets while they run."""
HAS_POLLED_KEY = every("HasPolledKey", HAS_POLLED, HAS_SECRET_KEY)
HAS_CREDITS = every("HasCredits", IS_EC2, IS_BURSTABLE)
HAS_GROUP_CLEANER = every("HasGroupCleaner", IS_EC2, IS_TERMINATION_PROTECTED)
IS_SECRET_KEY_ALIAS = When(
    "IsSecretKeyAlias",
    lambda stack: Not(
        Equals(
            Select(0, Split(":alias/", stack.take(settings.SECRET_KMS_KEY_ARN))),
            stack.take(settings.SECRET_KMS_KEY_ARN),
        )
    ),
)
HAS_NEW_FILE_SYSTEM = _not("HasNewFileSystem", HAS_EXISTING_FILE_SYSTEM)
HAS_NEW_CERTIFICATE = _is("HasNewCertificate", settings.CERTIFICATE_ARN, "")
HAS_CERTIFICATE_ZONE = _given("HasCertificateZone", settings.CERTIFICATE_HOSTED_ZONE_ID)
HAS_PLAIN_NAMES = When(
    "HasPlainNames",
    lambda stack: Equals(
        Select(0, Split("@", Select(0, Split("*", stack.take(settings.DNS_NAMES))))), stack.take(settings.DNS_NAMES)
    ),
)
"""Neither the zone itself nor a wildcard is among the names: CAA records there would bind names of others (RFC 8659)."""
HAS_CAA = every("HasCaa", HAS_NEW_CERTIFICATE, _is("HasCaaRecords", settings.CAA_RECORDS, "true"), HAS_PLAIN_NAMES)


def _field(index: int, *values: str) -> When:
    """Whether the field of the schedule's cron expression, counted from 0, is one of ``values``."""
    name = f"IsScheduleField{index}Daily"
    return When(
        name,
        lambda stack: _any(
            [Equals(Select(index, Split(" ", stack.take(settings.BACKUP_SCHEDULE))), value) for value in values]
        ),
    )


HAS_DAILY_BACKUP = every(
    "HasDailyBackup", HAS_BACKUP, _field(2, "*", "?"), _field(3, "*"), _field(4, "*", "?"), _field(5, "*)")
)
"""A backup is due on every day: day of the month, month, day of the week and year are any."""
IS_VAULT_DESTROYED = _is("IsVaultDestroyed", settings.BACKUPS_FORCE_DESTROY, "true")
