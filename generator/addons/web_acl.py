"""A web ACL of AWS WAF for the load balancer: a request limit per client, and AWS's managed rules for reads.

The managed rules do not see uploads: they look for attacks in the first 8 KiB of a body, where an archive has any
bytes, and their size rule refuses every longer body. The request limit does apply to uploads.
https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based.html
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Template, wafv2

from generator import kinds, settings
from generator.language.editions import Form, Single
from generator.language.wiring import Group, Setting, Stack, Wire
from generator.parts.descriptions import DESCRIPTIONS
from generator.parts.tags import tags

WINDOW_SECONDS = 300

REQUEST_LIMIT = Setting(
    name="RequestLimit",
    label="Requests in five minutes",
    description="Of one client address, which all users behind a NAT gateway share. More are answered with 429 until it asks less.",
    default="20000",
    pattern="^[1-9][0-9]{2,7}$",
    constraint="must be a whole number from 100 to 99999999",
)
GROUPS = {
    "AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY", "RestrictedExtensions_URIPATH", "NoUserAgent_HEADER"),
    "AWSManagedRulesKnownBadInputsRuleSet": (),
}
"""Groups of AWS's rules, each with those that only count: names of packages may end like the files that one refuses."""
_FORM = Form(
    groups=(
        Group("Requests", (REQUEST_LIMIT,)),
        Group(settings.NAMING.label, (settings.SERVICE_NAME, settings.ENVIRONMENT)),
    )
)


def web_acl() -> dict[str, Template]:
    """The template by its file name; its output is named like the server's parameter that takes it."""
    edition = Single("web-acl.yaml", DESCRIPTIONS["web-acl.yaml"], _FORM)
    stack = edition.stack("WebAcl", "")
    acl = stack.add(
        wafv2.WebACL(
            "WebAcl",
            Scope="REGIONAL",
            Description="Limits and filters the requests to pypiserver",
            DefaultAction=wafv2.DefaultAction(Allow=wafv2.AllowAction()),
            Rules=[_limit(stack), *(_managed(stack, name, counted) for name, counted in GROUPS.items())],
            VisibilityConfig=_visible("all"),
            Tags=tags(stack, "web-acl"),
        )
    )
    arn: Wire[kinds.Arn] = stack.offer("WebAclArn", GetAtt(acl, "Arn"), "WebAclArn of the server's stack.")
    edition.expose(arn)
    return edition.templates()


def _limit(stack: Stack) -> wafv2.WebACLRule:
    return wafv2.WebACLRule(
        Name="request-limit",
        Priority=0,
        Statement=wafv2.Statement(
            RateBasedStatement=wafv2.RateBasedStatement(
                Limit=stack.take(REQUEST_LIMIT), EvaluationWindowSec=WINDOW_SECONDS, AggregateKeyType="IP"
            )
        ),
        Action=wafv2.RuleAction(Block=wafv2.BlockAction(CustomResponse=wafv2.CustomResponse(ResponseCode=429))),
        VisibilityConfig=_visible("request-limit"),
    )


def _managed(stack: Stack, name: str, counted: tuple[str, ...]) -> wafv2.WebACLRule:
    """AWS's rules of the group ``name`` on all requests but POST; a name in ``counted`` that does not exist is ignored."""
    upload = wafv2.Statement(
        ByteMatchStatement=wafv2.ByteMatchStatement(
            FieldToMatch=wafv2.FieldToMatch(Method={}),
            PositionalConstraint="EXACTLY",
            SearchString="POST",
            TextTransformations=[wafv2.TextTransformation(Priority=0, Type="NONE")],
        )
    )
    count = wafv2.RuleAction(Count=wafv2.CountAction())
    overrides: dict[str, Any] = {}
    if counted:
        overrides["RuleActionOverrides"] = [wafv2.RuleActionOverride(Name=it, ActionToUse=count) for it in counted]
    return wafv2.WebACLRule(
        Name=name,
        Priority=1 + list(GROUPS).index(name),
        OverrideAction=wafv2.OverrideAction.from_dict("OverrideAction", {"None": {}}),
        Statement=wafv2.Statement(
            ManagedRuleGroupStatement=wafv2.ManagedRuleGroupStatement(
                VendorName="AWS",
                Name=name,
                **overrides,
                ScopeDownStatement=wafv2.Statement(NotStatement=wafv2.NotStatement(Statement=upload)),
            )
        ),
        VisibilityConfig=_visible(name),
    )


def _visible(name: str) -> wafv2.VisibilityConfig:
    return wafv2.VisibilityConfig(SampledRequestsEnabled=True, CloudWatchMetricsEnabled=True, MetricName=name)
