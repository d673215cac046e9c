"""The DNS records of the server's names; used by the edge layer, and alone for a zone in another account."""

from __future__ import annotations

from typing import Any

from troposphere import Join, Split
from troposphere.route53 import RecordSet, RecordSetGroup
from troposphere.validators.route53 import AliasTarget

from generator import conditions, settings
from generator.language.wiring import Expression, Stack
from generator.parts.lists import DNS_NAMES


def full_name(stack: Stack, name: Expression) -> Join:
    """``name`` in the zone; ``@`` is the zone's own name: ``@.example.com`` loses its beginning."""
    return Join("", Split("@.", Join(".", [name, stack.take(settings.HOSTED_ZONE_NAME)])))


def host_names(stack: Stack, start: int, stop: int) -> list[object]:
    """The full names in slots ``start`` to ``stop``, for use where slot ``start`` is filled."""
    slots = [slot for slot in DNS_NAMES.of(stack) if start <= slot.index <= stop]
    names = [full_name(stack, slot.value) for slot in slots]
    return [names[0], *(slot.only(name) for slot, name in zip(slots[1:], names[1:], strict=True))]


def certificate_authority(stack: Stack, zone_id: Expression, **attributes: Any) -> RecordSetGroup:
    """CAA records in the zone ``zone_id``: only Amazon may issue for the names (RFC 8659)."""
    return stack.add(
        RecordSetGroup(
            "CertificateAuthorityRecords",
            HostedZoneId=zone_id,
            RecordSets=[
                slot.only(
                    RecordSet(
                        Name=full_name(stack, slot.value),
                        Type="CAA",
                        TTL="300",
                        ResourceRecords=['0 issue "amazon.com"'],
                    )
                )
                for slot in DNS_NAMES.of(stack)
            ],
            **attributes,
        )
    )


def aliases(
    stack: Stack, zone_id: Expression, dns_name: Expression, target_zone_id: Expression, **attributes: Any
) -> RecordSetGroup:
    """A records, and AAAA if the load balancer has IPv6, in the zone ``zone_id``, for the load balancer of ``dns_name``."""
    target = AliasTarget(DNSName=dns_name, HostedZoneId=target_zone_id, EvaluateTargetHealth=True)  # type: ignore[no-untyped-call] # troposphere leaves its validators untyped

    def alias(name: Expression, kind: str) -> RecordSet:
        return RecordSet(Name=full_name(stack, name), Type=kind, AliasTarget=target)

    slots = list(DNS_NAMES.of(stack))
    return stack.add(
        RecordSetGroup(
            "Records",
            HostedZoneId=zone_id,
            RecordSets=[slot.only(alias(slot.value, "A")) for slot in slots]
            + [stack.if_(conditions.IS_DUAL_STACK, slot.only(alias(slot.value, "AAAA"))) for slot in slots],
            **attributes,
        )
    )
