"""The operator's lists, as slots."""

from __future__ import annotations

from generator import settings
from generator.language.slots import Slots
from generator.sizing import MAX_SUBNETS

DNS_NAMES = Slots(settings.DNS_NAMES, "DnsName", settings.MAX_DNS_NAMES)
EMAILS = Slots(settings.ALARM_EMAILS, "Email", settings.MAX_EMAILS, least=0)
CIDRS = Slots(settings.INGRESS_CIDRS, "Cidr", settings.MAX_CIDRS)
IPV6_CIDRS = Slots(settings.INGRESS_IPV6_CIDRS, "Ipv6Cidr", settings.MAX_IPV6_CIDRS, least=0)
VOLUME_TAGS = Slots(settings.VOLUME_TAGS, "VolumeTag", settings.MAX_VOLUME_TAGS, least=0)
SUBNETS = Slots(settings.ASG_SUBNETS, "Subnet", MAX_SUBNETS + 1)
"""One slot more than a region has Availability Zones: in a longer list two subnets share a zone, and the
service refuses their second mount target. So a list is refused, never cut.
"""
