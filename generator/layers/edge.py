"""How clients get in: certificate, load balancer, listeners, DNS records, access logs."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import GetAtt, Join, Ref, Sub, s3
from troposphere import elasticloadbalancingv2 as elb
from troposphere.certificatemanager import Certificate, DomainValidationOption
from troposphere.wafv2 import WebACLAssociation

from generator import conditions, kinds, settings
from generator.language.wiring import Expression, Stack, Wire, after, only_if
from generator.parts.access_logs import access_logs
from generator.parts.lists import DNS_NAMES
from generator.parts.records import aliases, certificate_authority, full_name, host_names
from generator.parts.tags import tags
from server import contract

IDLE_TIMEOUT = 60
"""Seconds; the server keeps connections alive longer, or the load balancer would answer 502."""
DEREGISTRATION_DELAY = 60
NAMES_PER_RULE = 5
"""Maximum number of values in the conditions of one listener rule."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    urls: Wire[kinds.Url]
    certificate: Wire[kinds.CertificateArn]
    load_balancer: Wire[kinds.Arn]
    load_balancer_name: Wire[kinds.LoadBalancerFullName]
    load_balancer_dns_name: Wire[kinds.DnsName]
    load_balancer_zone: Wire[kinds.HostedZoneId]
    target_group: Wire[kinds.TargetGroupArn]
    target_group_name: Wire[kinds.TargetGroupFullName]


def edge(stack: Stack, *, load_balancer_group: Wire[kinds.SecurityGroupId]) -> Edge:
    """Names, certificate and load balancer, which forwards requests for the names to a target group.

    ``load_balancer_group``: security group of the load balancer.
    """
    certificate = _certificate(stack)
    balancer = _load_balancer(stack, *access_logs(stack), load_balancer_group)
    target_group = _target_group(stack)
    forwarding = _listeners(stack, balancer, target_group, certificate)
    aliases(
        stack,
        stack.take(settings.HOSTED_ZONE_ID),
        GetAtt(balancer, "DNSName"),
        GetAtt(balancer, "CanonicalHostedZoneID"),
        Condition=stack.when(conditions.HAS_HOSTED_ZONE),
    )
    stack.add(
        WebACLAssociation(
            "WebAclAssociation",
            Condition=stack.when(conditions.HAS_WEB_ACL),
            ResourceArn=Ref(balancer),
            WebACLArn=stack.take(settings.WEB_ACL_ARN),
        )
    )
    return Edge(
        urls=stack.offer(
            "PypiServerUrls", _urls(stack), "URLs of the server, separated by commas; * stands for any name."
        ),
        certificate=stack.offer("ServerCertificateArn", certificate, "Certificate of the server."),
        load_balancer=stack.offer("PypiLoadBalancerArn", Ref(balancer), "ARN of the load balancer."),
        load_balancer_name=stack.offer(
            "LoadBalancerFullName",
            GetAtt(balancer, "LoadBalancerFullName"),
            "The load balancer in CloudWatch's metrics.",
        ),
        load_balancer_dns_name=stack.offer(
            "LoadBalancerDnsName", GetAtt(balancer, "DNSName"), "DNS name of the load balancer, for dns.yaml."
        ),
        load_balancer_zone=stack.offer(
            "LoadBalancerHostedZoneId",
            GetAtt(balancer, "CanonicalHostedZoneID"),
            "Hosted zone of that name, for dns.yaml.",
        ),
        # ECS refuses a target group that no listener forwards to.
        target_group=stack.offer(
            "TargetGroupArn", after(Ref(target_group), Ref(forwarding)), "Target group of the tasks."
        ),
        target_group_name=stack.offer(
            "TargetGroupFullName",
            GetAtt(target_group, "TargetGroupFullName"),
            "The target group in CloudWatch's metrics.",
        ),
    )


def _certificate(stack: Stack) -> Expression:
    """ARN of the operator's certificate, or of a new one for all the names, validated in a public zone of this account.

    ACM looks for its records only in public DNS: if the names are in a private zone, another zone validates.
    https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html

    The CAA records come first: they fail at once if zone and name disagree, while the certificate would wait. They
    are omitted with the operator's own certificate, as they would forbid its authority to renew it (RFC 8659).
    """
    there = stack.when(conditions.HAS_NEW_CERTIFICATE)
    zone_id = stack.if_(conditions.HAS_CERTIFICATE_ZONE, settings.CERTIFICATE_HOSTED_ZONE_ID, settings.HOSTED_ZONE_ID)
    authority = certificate_authority(stack, zone_id, Condition=stack.when(conditions.HAS_CAA))
    slots = list(DNS_NAMES.of(stack))
    names = [full_name(stack, slot.value) for slot in slots]
    requested = stack.add(
        Certificate(
            "Certificate",
            Condition=there,
            DomainName=after(names[0], stack.if_(conditions.HAS_CAA, Ref(authority), "")),
            SubjectAlternativeNames=stack.if_(DNS_NAMES.has(2), host_names(stack, 2, settings.MAX_DNS_NAMES)),
            ValidationMethod="DNS",
            DomainValidationOptions=[
                slot.only(DomainValidationOption(DomainName=name, HostedZoneId=zone_id))
                for slot, name in zip(slots, names, strict=True)
            ],
            Tags=tags(stack, "certificate"),
        )
    )
    return stack.if_(conditions.HAS_NEW_CERTIFICATE, Ref(requested), settings.CERTIFICATE_ARN)


def _load_balancer(
    stack: Stack, logs: s3.Bucket, policy: s3.BucketPolicy, group: Wire[kinds.SecurityGroupId]
) -> elb.LoadBalancer:
    """Writes its access logs to ``logs``, as ``policy`` allows: without that, its creation fails."""
    return stack.add(
        elb.LoadBalancer(
            "LoadBalancer",
            DependsOn=[policy.title],
            Type="application",
            Scheme=stack.take(settings.LOAD_BALANCER_SCHEME),
            IpAddressType=stack.take(settings.LOAD_BALANCER_IP_ADDRESS_TYPE),
            Subnets=stack.take(settings.LOAD_BALANCER_SUBNETS),
            SecurityGroups=[stack.take(group)],
            LoadBalancerAttributes=[
                elb.LoadBalancerAttributes(Key=key, Value=value)
                for key, value in {
                    "access_logs.s3.bucket": Ref(logs),
                    "access_logs.s3.enabled": "true",
                    "deletion_protection.enabled": stack.take(settings.DELETION_PROTECTION),
                    "idle_timeout.timeout_seconds": str(IDLE_TIMEOUT),
                    "routing.http.desync_mitigation_mode": "defensive",
                    "routing.http.drop_invalid_header_fields.enabled": "true",
                }.items()
            ],
            Tags=tags(stack, "load-balancer"),
        )
    )


def _target_group(stack: Stack) -> elb.TargetGroup:
    """The tasks, each on the port that Docker chose, or on Fargate at its own address; those that pass its health check get requests.

    No request uses the group's own port. Like the load balancer's scheme it cannot be changed: they change together, as a
    target group cannot move to the new load balancer while the old one has it.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
    """
    return stack.add(
        elb.TargetGroup(
            "TargetGroup",
            VpcId=stack.take(settings.VPC_ID),
            TargetType=stack.if_(conditions.IS_EC2, "instance", "ip"),
            Protocol="HTTP",
            Port=stack.if_(conditions.IS_INTERNAL, 81, 80),
            HealthCheckPath=contract.HEALTH_PATH,
            # Unhealthy tasks are replaced, and if the file system stalls all are unhealthy at once, as their replacements
            # would be: five minutes of patience.
            HealthCheckIntervalSeconds=30,
            HealthCheckTimeoutSeconds=10,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=10,
            Matcher=elb.Matcher(HttpCode="200"),
            TargetGroupAttributes=[
                elb.TargetGroupAttribute(Key=key, Value=value)
                for key, value in {
                    "deregistration_delay.timeout_seconds": str(DEREGISTRATION_DELAY),
                    "load_balancing.algorithm.type": "least_outstanding_requests",
                    "stickiness.enabled": "false",
                }.items()
            ],
            Tags=tags(stack, "tasks"),
        )
    )


def _listeners(
    stack: Stack, balancer: elb.LoadBalancer, target_group: elb.TargetGroup, certificate: Expression
) -> elb.ListenerRule:
    """HTTPS forwards our names and refuses others; HTTP, if enabled, redirects to it. Returns a rule that forwards."""
    stack.add(
        elb.Listener(
            "HttpListener",
            Condition=stack.when(conditions.HAS_HTTP),
            LoadBalancerArn=Ref(balancer),
            Protocol="HTTP",
            Port=80,
            DefaultActions=[
                elb.Action(
                    Type="redirect",
                    RedirectConfig=elb.RedirectConfig(Protocol="HTTPS", Port="443", StatusCode="HTTP_301"),
                )
            ],
            Tags=tags(stack, "http"),
        )
    )
    https = stack.add(
        elb.Listener(
            "HttpsListener",
            LoadBalancerArn=Ref(balancer),
            Protocol="HTTPS",
            Port=443,
            SslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
            Certificates=[elb.Certificate(CertificateArn=certificate)],
            DefaultActions=[
                elb.Action(
                    Type="fixed-response",
                    FixedResponseConfig=elb.FixedResponseConfig(
                        StatusCode="400", ContentType="text/plain", MessageBody="Not a name of this server"
                    ),
                )
            ],
            Tags=tags(stack, "https"),
        )
    )
    rules: list[elb.ListenerRule] = []
    for title, priority, start in (("ForwardRule", 1, 1), ("ForwardMoreRule", 2, NAMES_PER_RULE + 1)):
        filled = stack.when(DNS_NAMES.has(start)) if start > 1 else None
        names = host_names(stack, start, start + NAMES_PER_RULE - 1)
        rules.append(
            stack.add(
                elb.ListenerRule(
                    title,
                    **only_if(filled),
                    ListenerArn=Ref(https),
                    Priority=priority,
                    Conditions=[
                        elb.Condition(Field="host-header", HostHeaderConfig=elb.HostHeaderConfig(Values=names))
                    ],
                    Actions=[elb.ListenerRuleAction(Type="forward", TargetGroupArn=Ref(target_group))],
                    Tags=tags(stack, f"names-{start}"),
                )
            )
        )
    return rules[0]


def _urls(stack: Stack) -> Expression:
    """``https://NAME.ZONE`` of every name, joined by commas."""
    urls = []
    for slot in DNS_NAMES.of(stack):
        separator = "," if slot.index > 1 else ""
        urls.append(slot.only(Sub(f"{separator}https://${{Name}}", Name=full_name(stack, slot.value)), ""))
    return Join("", urls)
