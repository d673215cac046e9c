"""The resource types that moto's CloudFormation does not make, or makes without what our templates say of them.

Each is made through the calls of its service, which botocore's models and moto's backends check; how properties become
calls, the names and the attributes are this module's. A new type is a function of a name and the properties, which
gives what it ``Made``, and a line in ``TYPES``.

Of a bucket only versions and tags are made, of its policy only what has no Condition; of a backup selection, nothing.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.validate import validate_parameters  # type: ignore[import-untyped] # botocore has no types
from calls import REGION, Json, Made, call, client, fit
from custom_resource import cloudformation, module
from moto.awslambda.models import lambda_backends
from moto.backup.models import backup_backends
from moto.cloudformation import models
from moto.cloudformation.utils import get_stack_from_s3_url
from moto_network import listener, listener_rule, load_balancer, security_group, target_group


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
    name = p.pop("AlarmName", name)
    call("cloudwatch", "put_metric_alarm", AlarmName=name, **p)
    (alarm,) = call("cloudwatch", "describe_alarms", AlarmNames=[name])["MetricAlarms"]
    return Made(name, lambda: call("cloudwatch", "delete_alarms", AlarmNames=[name]), {"Arn": alarm["AlarmArn"]})


def _composite_alarm(name: str, p: Json) -> Made:
    """moto has none: that it would be asked for rightly is checked by botocore's model."""
    name = p.pop("AlarmName", name)
    shape = client("cloudwatch").meta.service_model.operation_model("PutCompositeAlarm").input_shape
    validate_parameters({"AlarmName": name, **p}, shape)
    return Made(name, lambda: None)


def _metric_filter(name: str, p: Json) -> Made:
    p.setdefault("FilterName", name)
    transformations = [
        {key[0].lower() + key[1:]: value for key, value in it.items()} for it in p.pop("MetricTransformations")
    ]
    for it in transformations:
        it["defaultValue"] = float(it["defaultValue"])
    names = {"logGroupName": p["LogGroupName"], "filterName": p["FilterName"]}
    call("logs", "put_metric_filter", **names, filterPattern=p["FilterPattern"], metricTransformations=transformations)
    return Made(name, lambda: call("logs", "delete_metric_filter", **names))


def _query_definition(name: str, p: Json) -> Made:
    """moto has none: that it would be asked for rightly is checked by botocore's model."""
    shape = client("logs").meta.service_model.operation_model("PutQueryDefinition").input_shape
    validate_parameters({key[0].lower() + key[1:]: value for key, value in p.items()}, shape)
    return Made(name)


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
    if "GenerateSecretString" not in p:
        arn = call("secretsmanager", "create_secret", Name=name, **p)["ARN"]
        return Made(arn, lambda: call("secretsmanager", "delete_secret", SecretId=arn, ForceDeleteWithoutRecovery=True))
    generate = p.pop("GenerateSecretString")
    template, key = json.loads(generate.pop("SecretStringTemplate")), generate.pop("GenerateStringKey")
    password = call("secretsmanager", "get_random_password", **generate)["RandomPassword"]
    arn = call("secretsmanager", "create_secret", Name=name, SecretString={**template, key: password}, **p)["ARN"]
    return Made(arn, lambda: call("secretsmanager", "delete_secret", SecretId=arn, ForceDeleteWithoutRecovery=True))


def _secret_policy(_name: str, p: Json) -> Made:
    call("secretsmanager", "put_resource_policy", **p)
    return Made(p["SecretId"], lambda: call("secretsmanager", "delete_resource_policy", SecretId=p["SecretId"]))


def _rotation(name: str, p: Json) -> Made:
    """moto would call the function, in a container; here the schedule is noted, and its trial left out."""
    if p["RotateImmediatelyOnUpdate"] not in (False, "false"):
        raise AssertionError("a deployment would change the password")
    return Made(f"{p['SecretId']}/{name}")


def _certificate(_name: str, p: Json) -> Made:
    for option in p.pop("DomainValidationOptions"):
        call("route53", "get_hosted_zone", Id=option["HostedZoneId"])
    arn = call("acm", "request_certificate", **p)["CertificateArn"]
    return Made(arn, lambda: call("acm", "delete_certificate", CertificateArn=arn))


def _vault(name: str, p: Json) -> Made:
    """moto has no update, and keeps no lock: that it would be asked for rightly is checked by botocore's model."""
    if lock := p.pop("LockConfiguration", None):
        shape = client("backup").meta.service_model.operation_model("PutBackupVaultLockConfiguration").input_shape
        validate_parameters(fit(shape, {"BackupVaultName": p["BackupVaultName"], **lock}), shape)
    vaults = client("backup").list_backup_vaults()["BackupVaultList"]
    there = [it for it in vaults if it["BackupVaultName"] == p["BackupVaultName"]]
    vault = there[0] if there else call("backup", "create_backup_vault", **p)
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
    plans = client("backup").list_backup_plans()["BackupPlansList"]
    existing = [it["BackupPlanId"] for it in plans if it["BackupPlanName"] == plan["BackupPlanName"]]
    if existing:
        # moto has no update: that it would be asked for rightly is checked by botocore's model.
        shape = client("backup").meta.service_model.operation_model("UpdateBackupPlan").input_shape
        validate_parameters(fit(shape, {"BackupPlanId": existing[0], "BackupPlan": plan}), shape)
        plan_id = existing[0]
    else:
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
    def backend() -> Any:
        return models.cloudformation_backends["123456789012"][REGION]

    body = get_stack_from_s3_url(p["TemplateURL"], "123456789012", "aws")
    parameters = {key: str(value) for key, value in p["Parameters"].items()}
    existing = [stack for stack in backend().stacks.values() if stack.name == name]
    if existing:
        (stack,) = existing
        stack.update(body, parameters=parameters)
    else:
        tags = {tag["Key"]: tag["Value"] for tag in p["Tags"]}
        stack = backend().create_stack(name, body, parameters, tags=tags)
    outputs = {f"Outputs.{output['OutputKey']}": output["OutputValue"] for output in stack.outputs or []}
    return Made(stack.stack_id, lambda: backend().delete_stack(name), outputs)


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
        "CloudWatch::CompositeAlarm": _composite_alarm,
        "EC2::SecurityGroup": security_group,
        "ECS::CapacityProvider": _capacity_provider,
        "ECS::Cluster": _cluster,
        "ECS::ClusterCapacityProviderAssociations": _association,
        "ECS::Service": _service,
        "EFS::AccessPoint": _access_point,
        "ElasticLoadBalancingV2::Listener": listener,
        "ElasticLoadBalancingV2::ListenerRule": listener_rule,
        "ElasticLoadBalancingV2::LoadBalancer": load_balancer,
        "ElasticLoadBalancingV2::TargetGroup": target_group,
        "IAM::RolePolicy": _role_policy,
        "KMS::Key": _key,
        "Logs::MetricFilter": _metric_filter,
        "Logs::QueryDefinition": _query_definition,
        "Route53::RecordSetGroup": _records,
        "S3::Bucket": _bucket,
        "S3::BucketPolicy": _bucket_policy,
        "SNS::Topic": _topic,
        "SNS::TopicPolicy": _topic_policy,
        "SecretsManager::ResourcePolicy": _secret_policy,
        "SecretsManager::RotationSchedule": _rotation,
        "SecretsManager::Secret": _secret,
        "WAFv2::WebACLAssociation": _web_acl_association,
    }.items()
}
