"""The types of ``moto_types`` that lead requests to tasks: security groups, and Elastic Load Balancing's."""

from __future__ import annotations

from calls import Json, Made, call, client


def security_group(name: str, p: Json) -> Made:
    """moto's own makes another group when a rule changes. Rules that name a group are left: they are another's, too."""
    groups = call("ec2", "describe_security_groups")["SecurityGroups"]
    existing = [it["GroupId"] for it in groups if it["GroupName"] == name]
    created = {"GroupName": name, "Description": p["GroupDescription"], "VpcId": p["VpcId"]}
    group = existing[0] if existing else call("ec2", "create_security_group", **created)["GroupId"]
    (has,) = call("ec2", "describe_security_groups", GroupIds=[group])["SecurityGroups"]
    for direction, permissions in (("Ingress", "IpPermissions"), ("Egress", "IpPermissionsEgress")):
        old = [it for it in has[permissions] if not it["UserIdGroupPairs"]]
        rules = [_permission(rule) for rule in p.get(f"SecurityGroup{direction}", [])]
        new = [it for it in rules if not (existing and "UserIdGroupPairs" in it)]
        for verb, some in (("revoke", old), ("authorize", new)):
            if some:
                call("ec2", f"{verb}_security_group_{direction.lower()}", GroupId=group, IpPermissions=some)
    return Made(group, lambda: call("ec2", "delete_security_group", GroupId=group), {"GroupId": group})


def _permission(rule: Json) -> Json:
    """A rule of a template as one of the API."""
    lists = {
        "CidrIp": ("IpRanges", "CidrIp"),
        "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "SourceSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
        "DestinationSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
        "SourcePrefixListId": ("PrefixListIds", "PrefixListId"),
    }
    (key,) = lists.keys() & rule.keys()
    name, member = lists[key]
    ports: Json = {port: rule[port] for port in ("FromPort", "ToPort") if port in rule}
    return {"IpProtocol": rule["IpProtocol"], **ports, name: [{member: rule[key], "Description": rule["Description"]}]}


def load_balancer(name: str, p: Json) -> Made:
    attributes = p.pop("LoadBalancerAttributes")
    (made,) = call("elbv2", "create_load_balancer", Name=name[:32].strip("-"), **p)["LoadBalancers"]
    arn = made["LoadBalancerArn"]
    call("elbv2", "modify_load_balancer_attributes", LoadBalancerArn=arn, Attributes=attributes)
    texts = {key: value for key, value in made.items() if isinstance(value, str)}
    return Made(
        arn,
        lambda: call("elbv2", "delete_load_balancer", LoadBalancerArn=arn),
        {
            **texts,
            "CanonicalHostedZoneID": made["CanonicalHostedZoneId"],
            "LoadBalancerFullName": arn.split("loadbalancer/")[1],
        },
    )


def target_group(name: str, p: Json) -> Made:
    """Health checks change in place; another port, protocol or VPC is another target group."""
    attributes = p.pop("TargetGroupAttributes")
    groups = client("elbv2").describe_target_groups()["TargetGroups"]
    fixed = {"TargetGroupName": name[:32].strip("-"), **{key: str(p[key]) for key in ("Port", "Protocol", "VpcId")}}
    existing = [it["TargetGroupArn"] for it in groups if fixed == {key: str(it[key]) for key in fixed}]
    if existing:
        (arn,) = existing
        checks = {key: value for key, value in p.items() if key.startswith("HealthCheck") or "Threshold" in key}
        call("elbv2", "modify_target_group", TargetGroupArn=arn, Matcher=p["Matcher"], **checks)
    else:
        (made,) = call("elbv2", "create_target_group", Name=name[:32].strip("-"), **p)["TargetGroups"]
        arn = made["TargetGroupArn"]
    call("elbv2", "modify_target_group_attributes", TargetGroupArn=arn, Attributes=attributes)
    return Made(
        arn,
        lambda: call("elbv2", "delete_target_group", TargetGroupArn=arn),
        {"TargetGroupFullName": arn.split(":")[-1]},
    )


def listener(_name: str, p: Json) -> Made:
    (made,) = call("elbv2", "create_listener", **p)["Listeners"]
    arn = made["ListenerArn"]
    return Made(arn, lambda: call("elbv2", "delete_listener", ListenerArn=arn))


def listener_rule(_name: str, p: Json) -> Made:
    (made,) = call("elbv2", "create_rule", **p)["Rules"]
    return Made(made["RuleArn"], lambda: call("elbv2", "delete_rule", RuleArn=made["RuleArn"]))
