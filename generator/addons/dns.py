"""The records alone, for a hosted zone in another account than the server's."""

from __future__ import annotations

from dataclasses import replace

from troposphere import Template

from generator import settings
from generator.language.editions import FORMAT_VERSION, console_form
from generator.language.wiring import Setting, Stack
from generator.parts.records import aliases, certificate_authority

LOAD_BALANCER_DNS_NAME = Setting(
    name="LoadBalancerDnsName",
    group=settings.REQUIRED,
    label="DNS name of the load balancer",
    description="Output LoadBalancerDnsName of the server's stack.",
    pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$",
    constraint="must be the output LoadBalancerDnsName of the server's stack",
)
LOAD_BALANCER_ZONE_ID = Setting(
    name="LoadBalancerHostedZoneId",
    group=settings.REQUIRED,
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


def dns() -> Template:
    """A template with the records of the server's names, for the account that owns the zone."""
    template = Template(Description="Private PyPI: DNS records, for a hosted zone in another account than the server")
    template.set_version(FORMAT_VERSION)
    stack = Stack(title="Dns", template=template, shared=True)
    for setting in (settings.HOSTED_ZONE_NAME, _ZONE_ID, LOAD_BALANCER_DNS_NAME, LOAD_BALANCER_ZONE_ID):
        template.add_parameter(setting.parameter())
    certificate_authority(stack)
    aliases(stack, stack.take(LOAD_BALANCER_DNS_NAME), stack.take(LOAD_BALANCER_ZONE_ID))
    template.set_metadata({"AWS::CloudFormation::Interface": console_form(template, settings.ALL)})
    return template
