"""The server: image, behaviour, number and size of its tasks."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import IMAGE, SWITCH, of_server, one_of, optional, whole_number
from generator.sizing import MAX_TASKS, MEMORY_SIZES
from server import contract

MAX_TASK_MIN = 10

DOCKER_IMAGE_TAG = Setting(
    name="DockerImageTag",
    label="Tag of pypiserver/pypiserver",
    description="v2.4.2 or newer: the HTTP server of older images lets requests be smuggled.",
    default=contract.IMAGE_TAG,
    pattern=r"^(?!v?([01]|2\.[0-3]|2\.4\.[01])([.-]|$))[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
    constraint="must be an image tag, and not one older than v2.4.2",
)
CONTAINER_IMAGE = Setting(
    name="ContainerImage",
    label="Whole image reference",
    description="Replaces the tag, e.g. a mirror in ECR or a digest. Empty: pypiserver/pypiserver from Docker Hub.",
    default="",
    pattern=optional(IMAGE),
    constraint="must be an image reference of at most 512 characters, or empty",
)
IMMUTABLE_PACKAGES = Setting(
    name="ImmutablePackages",
    label="Immutable packages",
    description="true: a file that was uploaded can be neither overwritten nor removed, as on PyPI.",
    default=contract.IMMUTABLE_PACKAGES.default,
    values=SWITCH,
)
RELEASE_OPEN_DAYS = of_server(
    contract.RELEASE_OPEN_DAYS,
    name="ReleaseOpenDays",
    label="Days a release accepts new files",
    description="0 to 3650: after that it accepts none, as on PyPI, where releases close after 14 days. 0: never closed.",
)
FALLBACK_URL = of_server(
    contract.FALLBACK_URL,
    name="FallbackUrl",
    label="Index for unknown projects",
    description="Clients are redirected there; anybody could publish under the name of a private project. Empty: 404.",
)
TASK_MIN_COUNT = Setting(
    name="TaskMinCount",
    label="Minimum number of tasks",
    description="0 turns the service off: no load starts a task, and no alarm reports that none runs.",
    default="2",
    values=one_of(*range(MAX_TASK_MIN + 1)),
)
TASK_MAX_COUNT = Setting(
    name="TaskMaxCount",
    label="Maximum number of tasks",
    description=f"1 to {MAX_TASKS}.",
    default="10",
    pattern=f"^({whole_number(1, MAX_TASKS)})$",
    constraint=f"must be a whole number from 1 to {MAX_TASKS}",
)
CONTAINER_MEMORY = Setting(
    name="ContainerMemory",
    label="Memory limit of a task (MiB)",
    description="A task that needs more is stopped.",
    default="512",
    values=one_of(*MEMORY_SIZES),
)
ENABLE_EXECUTE_COMMAND = Setting(
    name="EnableExecuteCommand",
    label="ECS Exec",
    description="true allows a shell in a task, for which its root file system becomes writable.",
    default="false",
    values=SWITCH,
)

CONTAINER = Group(
    "Container",
    (
        DOCKER_IMAGE_TAG,
        CONTAINER_IMAGE,
        IMMUTABLE_PACKAGES,
        RELEASE_OPEN_DAYS,
        FALLBACK_URL,
        TASK_MIN_COUNT,
        TASK_MAX_COUNT,
        CONTAINER_MEMORY,
        ENABLE_EXECUTE_COMMAND,
    ),
)
