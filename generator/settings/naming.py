"""Names and tags of the resources, names of the server."""

from __future__ import annotations

from generator.language.wiring import Group, Setting
from generator.settings.values import host_names

MAX_DNS_NAMES = 10
"""A certificate's, unless ACM's quota is raised: https://docs.aws.amazon.com/acm/latest/userguide/acm-limits.html"""

SERVICE_NAME = Setting(
    name="ServiceName",
    label="Service name",
    description="Names and tags of the resources.",
    default="pypiserver",
    pattern="^(?!aws|ecs|fargate)[a-z][a-z0-9-]{0,30}[a-z0-9]$",
    constraint="must be 2 to 32 lower-case letters, digits and hyphens, start with a letter, not end with a hyphen, and not start with aws, ecs or fargate",
)
ENVIRONMENT = Setting(
    name="Environment",
    label="Environment",
    description="Tag of all resources, e.g. development, staging, production.",
    default="development",
    pattern="^[a-z0-9-]{1,256}$",
    constraint="must be 1 to 256 lower-case letters, digits and hyphens",
)
DNS_NAMES = Setting(
    name="DnsNames",
    label="Host names in the zone",
    description=f"1 to {MAX_DNS_NAMES}, separated by commas: pypi, packages.dev, @ for the zone itself, *.dev for any below dev. With the zone's name the first has at most 64 characters, others 128. A change replaces the certificate.",
    default="pypiserver",
    pattern=host_names(MAX_DNS_NAMES),
    constraint=f"must be 1 to {MAX_DNS_NAMES} lower-case names within the zone separated by commas, e.g. pypi, packages.dev, @ or *.dev; none twice, a wildcard neither first nor beside the name it is below (@ and *, dev and *.dev)",
)

NAMING = Group("Naming", (SERVICE_NAME, ENVIRONMENT, DNS_NAMES))
