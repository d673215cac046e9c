"""Kinds of what layers pass to each other, so that no layer gets the ID of something else.

Anything that could be confused with something passed next to it has its own kind.
"""

from __future__ import annotations

from generator.language.wiring import Kind


class Arn(Kind): ...


class SecurityGroupId(Kind): ...


class SecretArn(Kind): ...


class TokensSecretArn(Kind): ...


class InstanceProfileArn(Kind): ...


class RoleArn(Kind): ...


class FileSystemId(Kind): ...


class AccessPointId(Kind): ...


class LoadBalancerFullName(Kind): ...


class TargetGroupArn(Kind): ...


class TargetGroupFullName(Kind): ...


class CertificateArn(Kind): ...


class ClusterName(Kind): ...


class ServiceName(Kind): ...


class AutoScalingGroupName(Kind): ...


class LogGroupName(Kind): ...


class FunctionName(Kind): ...


class TopicArn(Kind): ...


class VaultName(Kind): ...


class DnsName(Kind): ...


class HostedZoneId(Kind): ...


class Url(Kind): ...


class Text(Kind): ...
