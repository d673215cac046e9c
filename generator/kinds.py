"""Kinds of what crosses from one layer to another, so that no layer is handed the ID of something else.

A kind of its own for whatever could be confused with something that is handed over beside it.
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
