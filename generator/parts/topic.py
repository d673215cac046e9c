"""The topic for alarms and failures."""

from __future__ import annotations

from awacs import kms as kms_actions
from awacs import sns as sns_actions
from awacs.aws import Action, Allow, Condition, Principal, Statement, StringEquals
from troposphere import Ref, Sub, kms, sns

from generator.language.retention import DELETE
from generator.language.wiring import Stack
from generator.parts.iam import document
from generator.parts.lists import EMAILS
from generator.parts.tags import tags


def encrypted_topic(stack: Stack) -> sns.Topic:
    """A topic that CloudWatch and EventBridge may publish to, with the operator's addresses as subscribers."""
    topic = stack.add(
        sns.Topic(
            "Topic",
            DisplayName="pypiserver",
            KmsMasterKeyId=Ref(_key(stack)),
            # In the topic and not as resources: a resource that moves from one slot to another would end both subscriptions.
            Subscription=[
                slot.only(sns.Subscription(Protocol="email", Endpoint=slot.value)) for slot in EMAILS.of(stack)
            ],
            Tags=tags(stack, "alarms"),
        )
    )
    stack.add(
        sns.TopicPolicy(
            "TopicPolicy",
            Topics=[Ref(topic)],
            PolicyDocument=document(
                Statement(
                    Sid="Alarms",
                    Effect=Allow,
                    Principal=Principal("Service", "cloudwatch.amazonaws.com"),
                    Action=[sns_actions.Publish],
                    Resource=[Ref(topic)],
                    Condition=Condition(StringEquals("aws:SourceAccount", Ref("AWS::AccountId"))),
                ),
                # EventBridge's requests carry no source for a Condition to check.
                Statement(
                    Sid="Events",
                    Effect=Allow,
                    Principal=Principal("Service", "events.amazonaws.com"),
                    Action=[sns_actions.Publish],
                    Resource=[Ref(topic)],
                ),
            ),
        )
    )
    return topic


def _key(stack: Stack) -> kms.Key:
    """A key that CloudWatch and EventBridge may use, unlike SNS's own."""
    return stack.add(
        kms.Key(
            "TopicKey",
            **DELETE,
            Description="pypiserver alarms",
            EnableKeyRotation=True,
            PendingWindowInDays=7,
            KeyPolicy=document(
                Statement(
                    Sid="Administer",
                    Effect=Allow,
                    Principal=Principal("AWS", Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")),
                    Action=[Action("kms", "*")],
                    Resource=["*"],
                ),
                Statement(
                    Sid="Publish",
                    Effect=Allow,
                    Principal=Principal("Service", ["cloudwatch.amazonaws.com", "events.amazonaws.com"]),
                    Action=[kms_actions.Decrypt, kms_actions.GenerateDataKey],
                    Resource=["*"],
                ),
            ),
            Tags=tags(stack, "alarms"),
        )
    )
