"""Asks for missing parameters, and offers what the account has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from generator.operations.aws import Account
from generator.operations.exits import Problem
from generator.operations.form import Parameter
from generator.operations.network import Subnet, Zone, subnets, vpcs, zones
from generator.operations.parameters import INSTEAD
from generator.operations.terminal import Terminal

_ELSEWHERE = "a zone in another account"


def ask(
    account: Account,
    terminal: Terminal,
    form: list[Parameter],
    lacking: list[Parameter],
    given: dict[str, str],
    capacities: dict[str, dict[str, str]],
) -> Iterator[dict[str, str]]:
    """The values ``given`` with one more answer, after each: for ``lacking``, and what follows from an answer.

    First one of ``capacities``, values by their label, as no update switches between them; empty: that is settled.

    Raises Problem if the account has nothing to choose from, and KeyboardInterrupt.
    """
    by_name = {it.name: it for it in form}
    if capacities and "Capacity" not in given:
        terminal.line(
            "List prices of us-east-1 for two tasks or hosts; packages, backups and traffic are billed by use.", "dim"
        )
        given = given | terminal.choice("Capacity", capacities)
        yield given
    for parameter in lacking:
        given = given | _answer(account, terminal, by_name, parameter, given)
        yield given


def _answer(
    account: Account, terminal: Terminal, form: dict[str, Parameter], parameter: Parameter, given: dict[str, str]
) -> dict[str, str]:
    match parameter.name:
        case "VpcId":
            return {"VpcId": _vpc(account, terminal)}
        case "LoadBalancerSubnets":
            return {parameter.name: _subnets(account, terminal, parameter, given, least=2)}
        case "AsgSubnets":
            return {parameter.name: _subnets(account, terminal, parameter, given, least=1)}
        case "HostedZoneName":
            return _zone(account, terminal, form)
        case name if name in INSTEAD:
            answer = _text(terminal, parameter, may_be_empty=True)
            return {name: answer} if answer else {name: "", INSTEAD[name]: _text(terminal, form[INSTEAD[name]])}
    return {parameter.name: _text(terminal, parameter)}


def _text(terminal: Terminal, parameter: Parameter, *, may_be_empty: bool = False) -> str:
    terminal.line(parameter.description, "dim")

    def check(answer: str) -> str:
        return parameter.refusal(parameter.tidied(answer)) or ("" if answer or may_be_empty else "must not be empty")

    return parameter.tidied(terminal.text(parameter.label, check))


def _vpc(account: Account, terminal: Terminal) -> str:
    found = vpcs(account)
    if not found:
        raise Problem(f"{account.region} has no VPC: create one first, as README.md says")
    return terminal.choice("VPC", {it.label: it.id for it in found})


def _subnets(account: Account, terminal: Terminal, parameter: Parameter, given: dict[str, str], *, least: int) -> str:
    """Ticked at first: for the load balancer public ones, for the hosts private ones in the same zones."""
    vpc = given.get("VpcId") or _vpc(account, terminal)
    found = subnets(account, vpc)
    if len({it.zone for it in found}) < least:
        raise Problem(f"{vpc} has subnets in fewer than {least} Availability Zones")
    for_balancer = parameter.name == "LoadBalancerSubnets"
    balancer = given.get("LoadBalancerSubnets", "").split(",")
    zones_of_balancer = {it.zone for it in found if it.id in balancer}
    preferred = [it for it in found if it.public == for_balancer and (for_balancer or it.zone in zones_of_balancer)]
    first_of_zone = {it.zone: it.label for it in reversed(preferred)}
    offers = {it.label: it for it in found}
    chosen = terminal.choices(parameter.label, offers, list(first_of_zone.values()), _check_zones(least))
    return ",".join(it.id for it in chosen)


def _check_zones(least: int) -> Callable[[list[Subnet]], str]:
    def check(chosen: list[Subnet]) -> str:
        different = {it.zone for it in chosen}
        if len(different) < len(chosen):
            return "one subnet in each Availability Zone"
        return "" if len(different) >= least else f"at least {least}, in different Availability Zones"

    return check


def _zone(account: Account, terminal: Terminal, form: dict[str, Parameter]) -> dict[str, str]:
    """Zones whose names the form refuses, such as _tcp.example.com, are not offered."""
    usable = [it for it in zones(account) if not form["HostedZoneName"].refusal(it.name)]
    offers: dict[str, Zone | None] = {f"{it.name}  {it.id}": it for it in usable}
    zone = terminal.choice("Hosted zone", {**offers, _ELSEWHERE: None})
    if zone:
        return {"HostedZoneName": zone.name, "HostedZoneId": zone.id}
    return {name: _text(terminal, form[name]) for name in ("HostedZoneName", "CertificateArn")}
