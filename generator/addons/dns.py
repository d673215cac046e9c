"""The records alone, for a hosted zone in another account than the server's."""

from __future__ import annotations

from dataclasses import replace

from troposphere import Equals, Template

from generator import conditions, settings
from generator.language.editions import Form, Single
from generator.language.wiring import Group, Setting, When
from generator.parts.descriptions import DESCRIPTIONS
from generator.parts.records import aliases, certificate_authority

LOAD_BALANCER_DNS_NAME = Setting(
    name="LoadBalancerDnsName",
    label="DNS name of the load balancer",
    description="Output LoadBalancerDnsName of the server's stack.",
    pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$",
    constraint="must be the output LoadBalancerDnsName of the server's stack",
)
LOAD_BALANCER_ZONE_ID = Setting(
    name="LoadBalancerHostedZoneId",
    label="Hosted zone of the load balancer",
    description="Output LoadBalancerHostedZoneId of the server's stack.",
    pattern="^Z[A-Z0-9]+$",
    constraint="must be the output LoadBalancerHostedZoneId of the server's stack",
)
_ZONE_ID = replace(
    settings.HOSTED_ZONE_ID,
    description="Route 53 zone of that name, in this account.",
    type="AWS::Route53::HostedZone::Id",
    default=None,
    pattern=None,
    constraint=None,
)
_CAA_RECORDS = replace(
    settings.CAA_RECORDS,
    description="true: only Amazon may issue for the names. Leave false if CertificateArn was imported from another authority, or the names have CAA records already.",
    default="false",
)
_FORM = Form(
    groups=(
        Group(
            settings.REQUIRED.label,
            (settings.HOSTED_ZONE_NAME, _ZONE_ID, LOAD_BALANCER_DNS_NAME, LOAD_BALANCER_ZONE_ID),
        ),
        Group(settings.NAMING.label, (settings.DNS_NAMES,)),
        Group(settings.ACCESS.label, (settings.LOAD_BALANCER_IP_ADDRESS_TYPE, _CAA_RECORDS)),
    )
)


def dns() -> dict[str, Template]:
    """The template by its file name: the records of the server's names, for the account that owns the zone."""
    edition = Single("dns.yaml", DESCRIPTIONS["dns.yaml"], _FORM)
    stack = edition.stack("Dns", "")
    zone = stack.take(_ZONE_ID)
    has_caa = When("HasCaaRecords", lambda stack: Equals(stack.take(_CAA_RECORDS), "true"))
    has_records = conditions.every("HasCaa", has_caa, conditions.HAS_PLAIN_NAMES)
    certificate_authority(stack, zone, Condition=stack.when(has_records))
    aliases(stack, zone, stack.take(LOAD_BALANCER_DNS_NAME), stack.take(LOAD_BALANCER_ZONE_ID))
    return edition.templates()
