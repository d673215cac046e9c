"""Delete a stack: what blocks it, what stays, and what to do with that."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from generator.operations import leftovers
from generator.operations.aws import Account
from generator.operations.exits import DONE, FAILED, Problem
from generator.operations.identity import Stack
from generator.operations.stacks import STACK, Resource, get, parameters, resources
from generator.operations.terminal import Terminal
from generator.operations.watch import last_event, operation, root_cause, succeeded, watch
from generator.parts.data_bearing import DATA_BEARING, holds_data

_FORCED = {"AccessLogs": "AccessLogForceDestroy", "BackupVault": "BackupsForceDestroy"}
"""Parameters under which a resource goes with the stack."""
_FAILED_CREATIONS = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
_LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_DELETION_PROTECTION = "deletion_protection.enabled"


def delete(account: Account, terminal: Terminal, *, stack_name: str, unprotect: bool, yes: bool) -> int:
    """Delete the stack; DONE if it is gone, otherwise FAILED.

    ``unprotect`` turns off termination protection and the load balancer's deletion protection. Raises Problem if
    there is no stack, if one of these blocks, or if nobody can be asked; Declined if the answer is No.
    """
    cloudformation = account.client("cloudformation")
    stack = get(account, stack_name)
    stack_id, status = stack["StackId"], stack["StackStatus"]
    has = list(resources(cloudformation, stack_id))
    staying = _staying(stack, has)
    # A failed creation has left it already; the deletion does not mention it.
    earlier = leftovers.left(operation(cloudformation, stack_id)) if status in _FAILED_CREATIONS else []
    before = ""
    if status == "DELETE_IN_PROGRESS":
        terminal.line(f"{stack_name} is already being deleted: watching")
    elif status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise Problem(f"{stack_name} is {status}: wait until that is done, then delete it")
    else:
        protections = _protections(account, stack, has)
        if protections and not unprotect:
            raise Problem(f"{' and '.join(protections)}: add --unprotect to turn this off and delete")
        terminal.show(_consequences(account, stack, has, staying))
        terminal.must_agree(f"Delete {stack_name}?", yes=yes)
        if protections:
            _unprotect(account, stack, has)
        before = last_event(cloudformation, stack_id)
        cloudformation.delete_stack(StackName=stack_id)
    events = watch(cloudformation, stack_id, terminal, before)
    for line in root_cause(events):
        terminal.line(line)
    if not succeeded(events):
        terminal.line(f"{stack_name} is not deleted: fix the cause, then run this again", "bold")
        return FAILED
    terminal.line(f"{stack_name} is deleted", "bold")
    gone = [leftovers.Leftover(it.name, it.kind, it.physical_id) for it in staying]
    leftovers.show(account, terminal, [*earlier, *gone])
    leftovers.show_bucket(account, terminal)
    return DONE


def _consequences(account: Account, stack: Stack, has: list[Resource], staying: list[Resource]) -> Table:
    """What answering Yes means."""
    going = [it for it in has if it.kind != STACK and it not in staying and it.status != "DELETE_COMPLETE"]
    layers = {it.layer: ", ".join(other.name for other in going if other.layer == it.layer) for it in going}
    gone = [f"{it.name} ({it.kind})" for it in going if holds_data(it.name, it.kind)]
    grid = Table.grid(padding=(0, 2))
    for name, text in [
        ("account", stack["StackId"].split(":")[4]),
        ("region", account.region),
        ("stack", f"{stack['StackName']} ({stack['StackStatus']})"),
        *(("removes", f"{layer}: {names}" if layer else names) for layer, names in layers.items()),
        *([] if going else [("removes", "an empty stack")]),
        *([("data", f"{', '.join(gone)}: deleted with the stack, unless its template keeps it")] if gone else []),
        *(("stays", f"{it.name}  {it.physical_id}") for it in staying),
    ]:
        grid.add_row(Text(name, "bold"), Text(text))
    return grid


def _staying(stack: Stack, has: list[Resource]) -> list[Resource]:
    """The data-bearing resources, which CloudFormation retains, except those that the operator lets go."""
    if stack["StackStatus"] in ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"):
        return []
    values = parameters(stack)
    forced = {name for name, parameter in _FORCED.items() if values.get(parameter) == "true"}
    return [it for it in has if it.name in DATA_BEARING and it.name not in forced]


def _protections(account: Account, stack: Stack, has: list[Resource]) -> list[str]:
    found = []
    if stack.get("EnableTerminationProtection"):
        found.append("the stack has termination protection")
    if _protected_balancers(account, has):
        found.append("its load balancer has deletion protection")
    return found


def _protected_balancers(account: Account, has: list[Resource]) -> list[str]:
    elb = account.client("elbv2")
    arns = [it.physical_id for it in has if it.kind == _LOAD_BALANCER and not it.status.startswith("DELETE")]
    attributes = {arn: elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"] for arn in arns}
    return [arn for arn, given in attributes.items() if {"Key": _DELETION_PROTECTION, "Value": "true"} in given]


def _unprotect(account: Account, stack: Stack, has: list[Resource]) -> None:
    if stack.get("EnableTerminationProtection"):
        account.client("cloudformation").update_termination_protection(
            StackName=stack["StackId"], EnableTerminationProtection=False
        )
    for arn in _protected_balancers(account, has):
        account.client("elbv2").modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": _DELETION_PROTECTION, "Value": "false"}]
        )
