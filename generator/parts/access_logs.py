"""The load balancer's access logs: a bucket, who may write to it, and what empties it if the operator wants that."""

from __future__ import annotations

from awacs import s3 as s3_actions
from awacs.aws import Action, Allow, Bool, Condition, Deny, Principal, Statement
from troposphere import GetAtt, Join, Ref, Sub, Tags, s3

from generator import conditions, settings
from generator.language.retention import RETAIN
from generator.language.wiring import Expression, Stack, after
from generator.parts.cleaners import FORCE_DESTROY, cleaner
from generator.parts.iam import document
from generator.parts.tags import tags


def access_logs(stack: Stack) -> tuple[s3.Bucket, s3.BucketPolicy]:
    """The bucket, and the policy without which the load balancer cannot be created.

    Deleted in this order: load balancer, policy (no more logs arrive), cleaner (if wanted), bucket.
    """
    bucket = _bucket(stack)
    return bucket, _policy(stack, bucket, _cleaner(stack, bucket))


def _bucket(stack: Stack) -> s3.Bucket:
    return stack.add(
        s3.Bucket(
            "AccessLogs",
            # The load balancer writes a test file at once, which would fail a rollback.
            **RETAIN,
            # Access logs can be delivered under SSE-S3 only.
            BucketEncryption=s3.BucketEncryption(
                ServerSideEncryptionConfiguration=[
                    s3.ServerSideEncryptionRule(
                        ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
                    )
                ]
            ),
            LifecycleConfiguration=s3.LifecycleConfiguration(
                Rules=[
                    s3.LifecycleRule(
                        Id="retention",
                        Status="Enabled",
                        ExpirationInDays=stack.take(settings.LOG_RETENTION_DAYS),
                        NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(NoncurrentDays=1),
                        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=1),
                    )
                ]
            ),
            OwnershipControls=s3.OwnershipControls(
                Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
            ),
            PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
                BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
            ),
            VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
            Tags=tags(stack, "access-logs") + Tags({FORCE_DESTROY: stack.take(settings.ACCESS_LOG_FORCE_DESTROY)}),
        )
    )


def _cleaner(stack: Stack, bucket: s3.Bucket) -> Expression:
    return cleaner(
        stack,
        "AccessLogsCleaner",
        conditions.IS_ACCESS_LOG_DESTROYED,
        {"BucketName": Ref(bucket)},
        Statement(
            Effect=Allow,
            Action=[s3_actions.GetBucketTagging, s3_actions.ListBucketVersions, s3_actions.DeleteBucket],
            Resource=[GetAtt(bucket, "Arn")],
        ),
        Statement(
            Effect=Allow,
            Action=[s3_actions.DeleteObject, s3_actions.DeleteObjectVersion],
            Resource=[Join("/", [GetAtt(bucket, "Arn"), "*"])],
        ),
    )


def _policy(stack: Stack, bucket: s3.Bucket, emptied: Expression) -> s3.BucketPolicy:
    """The load balancer may write, nobody may without TLS; ``emptied`` is what comes before, see ``after``."""
    deliver = Statement(
        Sid="DeliverAccessLogs",
        Effect=Allow,
        Principal=Principal("Service", "logdelivery.elasticloadbalancing.amazonaws.com"),
        Action=[s3_actions.PutObject],
        Resource=[Sub("${Bucket}/AWSLogs/${AWS::AccountId}/*", Bucket=GetAtt(bucket, "Arn"))],
    )
    only_tls = Statement(
        Sid="DenyUnencryptedTransport",
        Effect=Deny,
        Principal=Principal("AWS", "*"),
        Action=[Action("s3", "*")],
        Resource=[GetAtt(bucket, "Arn"), Join("/", [GetAtt(bucket, "Arn"), "*"])],
        Condition=Condition(Bool("aws:SecureTransport", "false")),
    )
    return stack.add(
        s3.BucketPolicy(
            "AccessLogsPolicy",
            Bucket=after(Ref(bucket), emptied),
            PolicyDocument=document(deliver, only_tls),
        )
    )
