"""CloudFormation's side of moto, as far as our templates need it and moto lacks it.

``bridged()`` makes moto's CloudFormation, for as long as it is open,

* resolve ``!Condition`` and ``!GetAtt Child.Outputs.Name``, drop list items that are ``AWS::NoValue``, and refuse a reference that
  resolves to nothing, where moto passes ``None`` on;
* make the types of ``TYPES`` through the calls of their service, which botocore's models and moto's backends check;
  how properties become calls, the names and the attributes are this module's;
* run a custom resource's function in this process, with the code of its template, and fail where its answer says so;
* give a stack that a change set made its outputs;
* update in the order of dependencies what has other properties than before, add and at last remove what a condition
  turned on or off, and keep a nested stack where moto would delete it and create another;
* delete in the reverse order of dependencies, and retain what ``DeletionPolicy`` says.

Of a bucket only versions and tags are made, of its policy only what has no Condition; of a backup selection, nothing.
What neither is in ``TYPES`` nor known to moto's own models is refused by pytest, as moto warns of it.

So a rehearsal does not prove: which change AWS treats as a replacement, how it rolls back, that it takes this very
order (only that the references admit it), its types' own defaults and constraints, ``Rules`` and the parameters'
patterns, permissions (the functions run with all of them), or that anything starts, mounts or answers.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from typing import Any, TypeAlias

import boto3  # type: ignore[import-untyped] # boto3 has no types
import pytest
import yaml
from botocore.model import ListShape, Shape, StructureShape  # type: ignore[import-untyped] # nor has botocore
from custom_resource import cloudformation, module
from moto.awslambda.models import lambda_backends
from moto.backup.models import backup_backends
from moto.cloudformation import models, parsing
from moto.cloudformation.utils import get_stack_from_s3_url
from moto.ec2.models.elastic_block_store import EBSBackend

REGION = "us-east-1"
RETAINED = ("Retain", "RetainExceptOnCreate")
Json: TypeAlias = dict[str, Any]


@dataclass
class Made:
    """A resource: what ``Ref`` and ``Fn::GetAtt`` give, and how to delete it. The other names are moto's."""

    physical_resource_id: str
    undo: Callable[[], object] = lambda: None
    attributes: Json = field(default_factory=dict)
    name: str = ""
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    @property
    def type(self) -> str:
        return self.cf_resource_type

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> Any:
        return self.attributes[name]

    def delete(self, _account: str, _region: str) -> None:
        self.undo()


@dataclass(frozen=True)
class Type:
    """A resource type that moto takes for a model class of its own. ``make`` gets a name and the properties."""

    make: Callable[[str, Json], Made]

    def has_cfn_attr(self, _attribute: str) -> bool:
        return True

    def create_from_cloudformation_json(
        self, name: str, source: Json, _account: str, _region: str, **_context: str
    ) -> Made:
        made = self.make(name, source["Properties"])
        made.name = name
        return made

    def update_from_cloudformation_json(
        self,
        original_resource: Made,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> Made:
        """Make it again under its name; what got another identity thereby was replaced."""
        old = original_resource
        new = self.create_from_cloudformation_json(old.name, cloudformation_json, account_id, region_name)
        if new.physical_resource_id != old.physical_resource_id:
            old.undo()
        return new


def call(service: str, operation: str, **properties: Any) -> Json:
    """Call an operation with a resource's properties, which it names and types its own way."""
    api = client(service)
    shape = api.meta.service_model.operation_model(api.meta.method_to_api_mapping[operation]).input_shape
    response: Json = getattr(api, operation)(**_fit(shape, properties))
    return response


@cache
def client(service: str) -> Any:
    """Made once, as that takes longer than any call."""
    return boto3.client(service, region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")


def _fit(shape: Shape, value: Any) -> Any:
    """``value`` in the spelling and the type of ``shape``; a name that ``shape`` lacks stays, for botocore to refuse."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        names = {name.lower(): name for name in shape.members}
        known = {names.get(key.lower(), key): item for key, item in value.items()}
        return {key: _fit(shape.members[key], item) if key in shape.members else item for key, item in known.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_fit(shape.member, item) for item in value]
    if shape.type_name == "map":
        return value
    if shape.type_name == "string":
        return value if isinstance(value, str) else json.dumps(value)
    convert: dict[str, Callable[[Any], object]] = {
        "integer": int,
        "long": int,
        "float": float,
        "double": float,
        "boolean": _boolean,
    }
    return convert[shape.type_name](value)


def _boolean(value: object) -> bool:
    return {"true": True, "false": False}[str(value).lower()]


def _role_policy(_name: str, p: Json) -> Made:
    call("iam", "put_role_policy", **p)
    names = {key: p[key] for key in ("RoleName", "PolicyName")}
    return Made("/".join(names.values()), lambda: call("iam", "delete_role_policy", **names))


def _bucket(name: str, p: Json) -> Made:
    """Only what makes a difference to who deletes what: versions and tags."""
    call("s3", "create_bucket", Bucket=name)
    call("s3", "put_bucket_versioning", Bucket=name, VersioningConfiguration=p["VersioningConfiguration"])
    call("s3", "put_bucket_tagging", Bucket=name, Tagging={"TagSet": p["Tags"]})
    return Made(name, lambda: call("s3", "delete_bucket", Bucket=name), {"Arn": f"arn:aws:s3:::{name}"})


def _bucket_policy(_name: str, p: Json) -> Made:
    """moto reads no Condition: a statement with one would hold always."""
    statements = [it for it in p["PolicyDocument"]["Statement"] if "Condition" not in it]
    call("s3", "put_bucket_policy", Bucket=p["Bucket"], Policy={**p["PolicyDocument"], "Statement": statements})
    return Made(p["Bucket"], lambda: call("s3", "delete_bucket_policy", Bucket=p["Bucket"]))


def _alarm(name: str, p: Json) -> Made:
    call("cloudwatch", "put_metric_alarm", AlarmName=name, **p)
    (alarm,) = call("cloudwatch", "describe_alarms", AlarmNames=[name])["MetricAlarms"]
    return Made(name, lambda: call("cloudwatch", "delete_alarms", AlarmNames=[name]), {"Arn": alarm["AlarmArn"]})


def _topic(name: str, p: Json) -> Made:
    """moto's own makes another topic when a subscription changes."""
    attributes = {key: p[key] for key in ("DisplayName", "KmsMasterKeyId")}
    arn = call("sns", "create_topic", Name=name, Attributes=attributes, Tags=p["Tags"])["TopicArn"]
    subscribed = call("sns", "list_subscriptions_by_topic", TopicArn=arn)["Subscriptions"]
    wanted = {it["Endpoint"]: it["Protocol"] for it in p["Subscription"]}
    for endpoint in wanted.keys() - {it["Endpoint"] for it in subscribed}:
        call("sns", "subscribe", TopicArn=arn, Protocol=wanted[endpoint], Endpoint=endpoint)
    for it in subscribed:
        if it["Endpoint"] not in wanted:
            call("sns", "unsubscribe", SubscriptionArn=it["SubscriptionArn"])
    return Made(arn, lambda: call("sns", "delete_topic", TopicArn=arn))


def _topic_policy(name: str, p: Json) -> Made:
    for topic in p["Topics"]:
        policy = json.dumps(p["PolicyDocument"])
        call("sns", "set_topic_attributes", TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return Made(name)


def _secret(name: str, p: Json) -> Made:
    generate = p.pop("GenerateSecretString")
    template, key = json.loads(generate.pop("SecretStringTemplate")), generate.pop("GenerateStringKey")
    password = call("secretsmanager", "get_random_password", **generate)["RandomPassword"]
    arn = call("secretsmanager", "create_secret", Name=name, SecretString={**template, key: password}, **p)["ARN"]
    return Made(arn, lambda: call("secretsmanager", "delete_secret", SecretId=arn, ForceDeleteWithoutRecovery=True))


def _secret_policy(_name: str, p: Json) -> Made:
    call("secretsmanager", "put_resource_policy", **p)
    return Made(p["SecretId"], lambda: call("secretsmanager", "delete_resource_policy", SecretId=p["SecretId"]))


def _certificate(_name: str, p: Json) -> Made:
    for option in p.pop("DomainValidationOptions"):
        call("route53", "get_hosted_zone", Id=option["HostedZoneId"])
    arn = call("acm", "request_certificate", **p)["CertificateArn"]
    return Made(arn, lambda: call("acm", "delete_certificate", CertificateArn=arn))


def _vault(name: str, p: Json) -> Made:
    vault = call("backup", "create_backup_vault", **p)
    return Made(
        vault["BackupVaultName"],
        lambda: call("backup", "delete_backup_vault", BackupVaultName=p["BackupVaultName"]),
        {"BackupVaultArn": vault["BackupVaultArn"]},
    )


def _backup_plan(_name: str, p: Json) -> Made:
    rules = [{**rule, "TargetBackupVaultName": rule["TargetBackupVault"]} for rule in p["BackupPlan"]["BackupPlanRule"]]
    for rule in rules:
        del rule["TargetBackupVault"]
    plan = {"BackupPlanName": p["BackupPlan"]["BackupPlanName"], "Rules": rules}
    made = call("backup", "create_backup_plan", BackupPlan=plan, BackupPlanTags=p["BackupPlanTags"])
    plan_id = made["BackupPlanId"]

    def delete() -> None:
        call("backup", "delete_backup_plan", BackupPlanId=plan_id)
        # moto keeps a deleted plan, and its name taken.
        for regions in backup_backends.values():
            regions[REGION].plans.pop(plan_id, None)

    return Made(plan_id, delete)


def _backup_selection(name: str, p: Json) -> Made:
    """moto has no selections: only that the plan exists is checked."""
    call("backup", "get_backup_plan", BackupPlanId=p["BackupPlanId"])
    return Made(name)


def _cluster(name: str, p: Json) -> Made:
    made = call("ecs", "create_cluster", ClusterName=name, Settings=p["ClusterSettings"], Tags=p["Tags"])["cluster"]
    return Made(name, lambda: call("ecs", "delete_cluster", Cluster=name), {"Arn": made["clusterArn"]})


def _capacity_provider(name: str, p: Json) -> Made:
    made = call("ecs", "create_capacity_provider", **{"Name": name, **p})["capacityProvider"]["name"]
    return Made(made, lambda: call("ecs", "delete_capacity_provider", CapacityProvider=made))


def _association(_name: str, p: Json) -> Made:
    call("ecs", "put_cluster_capacity_providers", **p)
    nothing: Json = {"CapacityProviders": [], "DefaultCapacityProviderStrategy": []}
    return Made(p["Cluster"], lambda: call("ecs", "put_cluster_capacity_providers", Cluster=p["Cluster"], **nothing))


def _service(name: str, p: Json) -> Made:
    """moto's own drops the load balancers, and with them the check that the target group exists."""
    for balancer in p.get("LoadBalancers", []):
        (group,) = call("elbv2", "describe_target_groups", TargetGroupArns=[balancer["TargetGroupArn"]])["TargetGroups"]
        # As ECS has it: "The target group does not have an associated load balancer."
        assert group["LoadBalancerArns"], group
    if "PlacementStrategies" in p:
        p["PlacementStrategy"] = p.pop("PlacementStrategies")
    arn = call("ecs", "create_service", ServiceName=name, **p)["service"]["serviceArn"]
    return Made(
        arn, lambda: call("ecs", "delete_service", Cluster=p["Cluster"], Service=name, Force=True), {"Name": name}
    )


def _group(name: str, p: Json) -> Made:
    metrics = p.pop("MetricsCollection")
    p["VPCZoneIdentifier"] = ",".join(p["VPCZoneIdentifier"])
    existing = call("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name])["AutoScalingGroups"]
    if existing:
        call("autoscaling", "create_or_update_tags", Tags=[_group_tag(name, tag) for tag in p.pop("Tags")])
    call("autoscaling", f"{'update' if existing else 'create'}_auto_scaling_group", AutoScalingGroupName=name, **p)
    for collection in metrics:
        call("autoscaling", "enable_metrics_collection", AutoScalingGroupName=name, **collection)

    def undo() -> None:
        groups = call("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[name])["AutoScalingGroups"]
        for group in groups:
            protected = [instance for instance in group["Instances"] if instance["ProtectedFromScaleIn"]]
            assert not protected, "CloudFormation scales the group in to nothing first, which these instances prevent"
            call("autoscaling", "delete_auto_scaling_group", AutoScalingGroupName=name, ForceDelete=True)

    return Made(name, undo)


def _group_tag(name: str, tag: Json) -> Json:
    return {**tag, "ResourceId": name, "ResourceType": "auto-scaling-group"}


def _access_point(_name: str, p: Json) -> Made:
    made = call("efs", "create_access_point", Tags=p.pop("AccessPointTags"), **p)
    return Made(
        made["AccessPointId"],
        lambda: call("efs", "delete_access_point", AccessPointId=made["AccessPointId"]),
        {"Arn": made["AccessPointArn"]},
    )


def _key(_name: str, p: Json) -> Made:
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in p["Tags"]]
    key = call("kms", "create_key", Description=p["Description"], Policy=p["KeyPolicy"], Tags=tags)["KeyMetadata"][
        "KeyId"
    ]
    if p["EnableKeyRotation"]:
        call("kms", "enable_key_rotation", KeyId=key)
    window = p["PendingWindowInDays"]
    return Made(key, lambda: call("kms", "schedule_key_deletion", KeyId=key, PendingWindowInDays=window))


def _load_balancer(name: str, p: Json) -> Made:
    attributes = p.pop("LoadBalancerAttributes")
    (made,) = call("elbv2", "create_load_balancer", Name=name[:32].strip("-"), **p)["LoadBalancers"]
    arn = made["LoadBalancerArn"]
    call("elbv2", "modify_load_balancer_attributes", LoadBalancerArn=arn, Attributes=attributes)
    given = {"DNSName": made["DNSName"], "CanonicalHostedZoneID": made["CanonicalHostedZoneId"]}
    return Made(
        arn,
        lambda: call("elbv2", "delete_load_balancer", LoadBalancerArn=arn),
        {**given, "LoadBalancerFullName": arn.split("loadbalancer/")[1]},
    )


def _target_group(name: str, p: Json) -> Made:
    attributes = p.pop("TargetGroupAttributes")
    (made,) = call("elbv2", "create_target_group", Name=name[:32].strip("-"), **p)["TargetGroups"]
    arn = made["TargetGroupArn"]
    call("elbv2", "modify_target_group_attributes", TargetGroupArn=arn, Attributes=attributes)
    return Made(
        arn,
        lambda: call("elbv2", "delete_target_group", TargetGroupArn=arn),
        {"TargetGroupFullName": arn.split(":")[-1]},
    )


def _listener(_name: str, p: Json) -> Made:
    (made,) = call("elbv2", "create_listener", **p)["Listeners"]
    arn = made["ListenerArn"]
    return Made(arn, lambda: call("elbv2", "delete_listener", ListenerArn=arn))


def _listener_rule(_name: str, p: Json) -> Made:
    (made,) = call("elbv2", "create_rule", **p)["Rules"]
    return Made(made["RuleArn"], lambda: call("elbv2", "delete_rule", RuleArn=made["RuleArn"]))


def _scalable_target(_name: str, p: Json) -> Made:
    tags = {tag["Key"]: tag["Value"] for tag in p.pop("Tags")}
    call("application-autoscaling", "register_scalable_target", **p, Tags=tags)
    key = {name: p[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
    return Made(
        "|".join([p["ResourceId"], p["ScalableDimension"], p["ServiceNamespace"]]),
        lambda: call("application-autoscaling", "deregister_scalable_target", **key),
    )


def _scaling_policy(_name: str, p: Json) -> Made:
    key = dict(
        zip(("ResourceId", "ScalableDimension", "ServiceNamespace"), p.pop("ScalingTargetId").split("|"), strict=True)
    )
    arn = call("application-autoscaling", "put_scaling_policy", **p, **key)["PolicyARN"]
    return Made(
        arn, lambda: call("application-autoscaling", "delete_scaling_policy", PolicyName=p["PolicyName"], **key)
    )


def _records(name: str, p: Json) -> Made:
    """moto's own skips the checks of its API, and never deletes."""

    def change(action: str) -> None:
        changes = [{"Action": action, "ResourceRecordSet": _record(record)} for record in p["RecordSets"]]
        call("route53", "change_resource_record_sets", HostedZoneId=p["HostedZoneId"], ChangeBatch={"Changes": changes})

    change("UPSERT")
    return Made(name, lambda: change("DELETE"))


def _record(source: Json) -> Json:
    if "ResourceRecords" in source:
        return {**source, "ResourceRecords": [{"Value": value} for value in source["ResourceRecords"]]}
    return source


def _web_acl_association(name: str, p: Json) -> Made:
    call("wafv2", "associate_web_acl", **p)
    return Made(name, lambda: call("wafv2", "disassociate_web_acl", ResourceArn=p["ResourceArn"]))


def _custom_resource(_name: str, p: Json) -> Made:
    function = lambda_backends["123456789012"][REGION].get_function(p["ServiceToken"])
    with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as code:
        index = module(code.read("index.py").decode())

    def ask(request: str) -> str:
        with cloudformation() as service:
            answer = service.ask(index, request, p)
        if answer["Status"] != "SUCCESS":
            raise RuntimeError(answer["Reason"])
        return str(answer["PhysicalResourceId"])

    return Made(ask("Create"), lambda: ask("Delete"))


def _nested_stack(name: str, p: Json) -> Made:
    backend = models.cloudformation_backends["123456789012"][REGION]
    body = get_stack_from_s3_url(p["TemplateURL"], "123456789012", "aws")
    parameters = {key: str(value) for key, value in p["Parameters"].items()}
    existing = [stack for stack in backend.stacks.values() if stack.name == name]
    if existing:
        (stack,) = existing
        stack.update(body, parameters=parameters)
    else:
        tags = {tag["Key"]: tag["Value"] for tag in p["Tags"]}
        stack = backend.create_stack(name, body, parameters, tags=tags)
    outputs = {f"Outputs.{output['OutputKey']}": output["OutputValue"] for output in stack.outputs or []}
    return Made(stack.stack_id, lambda: backend.delete_stack(name), outputs)


TYPES = {
    f"AWS::{name}": Type(make)
    for name, make in {
        "ApplicationAutoScaling::ScalableTarget": _scalable_target,
        "ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
        "AutoScaling::AutoScalingGroup": _group,
        "Backup::BackupPlan": _backup_plan,
        "Backup::BackupSelection": _backup_selection,
        "Backup::BackupVault": _vault,
        "CertificateManager::Certificate": _certificate,
        "CloudFormation::CustomResource": _custom_resource,
        "CloudFormation::Stack": _nested_stack,
        "CloudWatch::Alarm": _alarm,
        "ECS::CapacityProvider": _capacity_provider,
        "ECS::Cluster": _cluster,
        "ECS::ClusterCapacityProviderAssociations": _association,
        "ECS::Service": _service,
        "EFS::AccessPoint": _access_point,
        "ElasticLoadBalancingV2::Listener": _listener,
        "ElasticLoadBalancingV2::ListenerRule": _listener_rule,
        "ElasticLoadBalancingV2::LoadBalancer": _load_balancer,
        "ElasticLoadBalancingV2::TargetGroup": _target_group,
        "IAM::RolePolicy": _role_policy,
        "KMS::Key": _key,
        "Route53::RecordSetGroup": _records,
        "S3::Bucket": _bucket,
        "S3::BucketPolicy": _bucket_policy,
        "SNS::Topic": _topic,
        "SNS::TopicPolicy": _topic_policy,
        "SecretsManager::ResourcePolicy": _secret_policy,
        "SecretsManager::Secret": _secret,
        "WAFv2::WebACLAssociation": _web_acl_association,
    }.items()
}
"""Types that moto's CloudFormation does not make, or makes without what our templates say of them."""


class Resources(parsing.ResourceMap):
    """moto's resources of a stack, with another update and delete."""

    def update(self, template: Json, parameters: Json | None = None) -> None:
        existing = [name for name in self._order() if self._parsed_resources.get(name) is not None]
        before = {name: self._properties(name) for name in existing}
        old = self._resource_json_map
        for name in self._template.get("Parameters", {}):
            self._parsed_resources.pop(name, None)
        self._template, self._resource_json_map = template, template["Resources"]
        self.input_parameters = parameters or self.input_parameters
        self.load()
        wanted = [name for name in self._order() if self._is_wanted(name)]
        for name in wanted:
            if name not in existing:
                self[name]
            elif self._properties(name) != before[name]:
                self._parsed_resources[name] = parsing.parse_and_update_resource(
                    name, self._resource_json_map[name], self, self._account_id, self._region_name
                )
        for name in reversed(existing):
            if name not in wanted:
                self._remove(name, old[name])

    def delete(self) -> None:
        for name in reversed(list(self._order())):
            if self._parsed_resources.get(name) is not None:
                self._remove(name, self._resource_json_map[name])

    def _remove(self, name: str, source: Json) -> None:
        resource = self._parsed_resources.pop(name)
        if source.get("DeletionPolicy") not in RETAINED:
            self._delete_resource(resource, source)

    def _is_wanted(self, name: str) -> bool:
        condition = self._resource_json_map[name].get("Condition")
        return condition is None or bool(self.lazy_condition_map[condition])

    def _properties(self, name: str) -> Any:
        return parsing.clean_json(self._resource_json_map[name].get("Properties", {}), self)

    def _order(self) -> Iterable[str]:
        """Dependencies first."""
        sources = self._resource_json_map
        return TopologicalSorter(
            {name: _names(source) & sources.keys() for name, source in sources.items()}
        ).static_order()


def _names(source: Any) -> set[str]:
    """What ``source`` may refer to; Fn::Sub's text counts too."""
    if isinstance(source, dict):
        found: set[str] = set()
        for key, value in source.items():
            if key in ("Ref", "Fn::GetAtt", "DependsOn"):
                found |= {value} if isinstance(value, str) else {str(item) for item in value}
            else:
                found |= _names(value)
        return found
    if isinstance(source, list):
        return set().union(*map(_names, source))
    return set(re.findall(r"\$\{([A-Za-z0-9]+)[.}]", source)) if isinstance(source, str) else set()


class Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's tags; some ten times as fast as the loader that moto takes."""


def _tagged(loader: Loader, tag: str, node: yaml.Node) -> Json:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = node.value
    if tag == "GetAtt":
        value = value.split(".", 1)
    return {tag if tag in ("Condition", "Ref") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", _tagged)


@contextmanager
def bridged() -> Iterator[None]:
    """moto's CloudFormation with the gaps bridged; open it within ``mock_aws()``."""
    moto_type, moto_clean = parsing.resource_class_from_type, parsing.clean_json
    moto_apply, moto_volume = models.ChangeSet.apply, EBSBackend.create_volume

    def type_of(name: str) -> Any:
        return TYPES.get(name) or moto_type(name)

    def clean(source: Any, resources: Any) -> Any:
        cleaned = moto_clean(source, resources)
        if isinstance(source, list):
            return [item for item in cleaned if item is not None]
        if isinstance(source, dict) and cleaned is None and ("Fn::GetAtt" in source or "Ref" in source):
            assert source == {"Ref": "AWS::NoValue"}, f"{source} resolves to nothing"
        return cleaned

    def volume(self: Any, size: int | None, **named: Any) -> Any:
        """As large as the image where nothing is said; moto's images have no snapshot to ask."""
        return moto_volume(self, size=size or 30, **named)

    def apply(self: models.ChangeSet) -> None:
        moto_apply(self)
        self.stack.template_dict = self.template_dict
        self.stack.output_map = self.stack._create_output_map()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.ChangeSet, "apply", apply)
        patch.setattr(yaml, "Loader", Loader)
        patch.setattr(EBSBackend, "create_volume", volume)
        patch.setattr(parsing, "resource_class_from_type", type_of)
        patch.setattr(parsing, "clean_json", clean)
        patch.setattr(models, "ResourceMap", Resources)
        yield
