"""Settings of several services that have to fit each other and the server, or clients see errors that nobody made.

Times are in seconds.
"""

from __future__ import annotations

import ast
import base64
import json
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from deployments import Editions, everything, of_type
from resolve import Data, Values

from generator import settings
from generator.parts.container_program import packed
from server.settings import Settings

SERVER = Path(__file__).parents[2] / "server" / "processes.py"
CONTAINER_STOP_MOST = 120
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html: stopTimeout"""


@pytest.fixture
def container(resources: Data) -> Data:
    (found,) = _properties(resources, "TaskDefinition")["ContainerDefinitions"]
    return dict(found)


@pytest.fixture(scope="module")
def gunicorn() -> dict[str, Any]:
    """The literal options that the program gives gunicorn, which is not installed in every environment it is read in."""
    options: dict[str, Any] = {}
    for node in ast.walk(ast.parse(SERVER.read_text())):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    options[str(key.value)] = value.value
    return options


def _constant(module: str, name: str) -> float:
    """A number of the program, from its source: the modules want packages of the image."""
    match = re.search(rf"^{name} = ([\d.]+)$", (SERVER.parent / module).read_text(), re.MULTILINE)
    assert match, f"server/{module} has no {name}: which is it now that this test compares?"
    return float(match[1])


def _properties(resources: Data, title: str) -> Data:
    properties: Data = resources[title]["Properties"]
    return properties


def _attributes(resources: Data, title: str, name: str) -> dict[str, str]:
    return {it["Key"]: str(it["Value"]) for it in _properties(resources, title)[name]}


def _balancer(resources: Data) -> dict[str, str]:
    return _attributes(resources, "LoadBalancer", "LoadBalancerAttributes")


def _draining(resources: Data) -> int:
    attributes = _attributes(resources, "TargetGroup", "TargetGroupAttributes")
    return int(attributes["deregistration_delay.timeout_seconds"])


def test_the_server_keeps_idle_connections_for_longer_than_the_load_balancer(resources: Data) -> None:
    """Or the load balancer sends a request into a connection that is being closed, and answers 502.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
    """
    assert int(_balancer(resources)["idle_timeout.timeout_seconds"]) < _constant("wire/engine.py", "IDLE_SECONDS")


def test_a_stopping_server_ends_its_transfers_before_it_is_killed(container: Data, gunicorn: dict[str, Any]) -> None:
    assert 60 <= gunicorn["graceful_timeout"] < container["StopTimeout"] <= CONTAINER_STOP_MOST


def test_a_task_takes_requests_until_the_load_balancer_sends_no_more(container: Data, gunicorn: dict[str, Any]) -> None:
    """At the end of a Spot task SIGTERM comes before the target is deregistered, which takes some seconds.

    https://github.com/aws/containers-roadmap/issues/2673
    """
    (drain,) = [int(it["Value"]) for it in container["Environment"] if it["Name"] == "DRAIN_SECONDS"]
    assert drain >= 5
    assert drain + 60 <= gunicorn["graceful_timeout"], "of which it is a part, and transfers need the rest"


def test_no_new_requests_come_before_a_task_is_told_to_stop(resources: Data, container: Data) -> None:
    """ECS deregisters first and waits for the delay, which holds up each deployment; SIGTERM follows."""
    assert 30 <= _draining(resources) <= container["StopTimeout"]


def test_a_worker_outlives_the_longest_stall_that_is_allowed_to_a_client(
    container: Data, gunicorn: dict[str, Any]
) -> None:
    secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:one"
    environment = {it["Name"]: re.sub("<.*Secret>", secret, str(it["Value"])) for it in container["Environment"]}
    credentials = {f"PUBLISHER_{field}": "x" for field in ("USERNAME", "PASSWORD")}
    server = Settings.from_environment({**environment, **credentials})
    assert gunicorn["timeout"] >= 60
    assert server.stall_timeout <= CONTAINER_STOP_MOST


def test_deployments_replace_no_task_before_the_next_one_is_healthy_and_go_back_by_themselves(resources: Data) -> None:
    deployment = _properties(resources, "Service")["DeploymentConfiguration"]
    assert deployment["MinimumHealthyPercent"] == 100
    # With one task, room for a second one.
    assert deployment["MaximumPercent"] >= 200
    for service in of_type(resources, "AWS::ECS::Service").values():
        assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_hosts_are_replaced_without_going_below_what_is_wanted(resources: Data) -> None:
    preferences = resources["AutoScalingGroup"]["UpdatePolicy"]["AutoScalingInstanceRefresh"]["Preferences"]
    assert preferences["MinHealthyPercentage"] == 100
    assert 100 < preferences["MaxHealthyPercentage"] <= 200
    maintenance = _properties(resources, "AutoScalingGroup")["InstanceMaintenancePolicy"]
    assert maintenance == {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200}, "at the end of a host's life"
    provider = _properties(resources, "CapacityProvider")["AutoScalingGroupProvider"]
    assert provider["ManagedDraining"] == "ENABLED", "or a host takes its tasks along when it ends"
    assert provider["ManagedScaling"]["Status"] == "ENABLED"


def test_a_starting_task_is_not_judged_before_it_can_answer(resources: Data, container: Data) -> None:
    grace = _properties(resources, "Service")["HealthCheckGracePeriodSeconds"]
    assert grace >= container["HealthCheck"]["StartPeriod"] >= 30


def test_health_checks_leave_the_server_the_time_that_its_answer_takes(resources: Data, container: Data) -> None:
    """It gives its storage two seconds, then answers that it is not healthy."""
    probe = _constant("views/health.py", "PROBE_SECONDS")
    check, group = container["HealthCheck"], _properties(resources, "TargetGroup")
    waits = re.search(r"timeout=(\d+)", json.dumps(check["Command"]))
    assert waits
    assert probe < int(waits[1]) < check["Timeout"] < check["Interval"]
    assert probe < group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]
    assert check["Retries"] >= 2
    assert group["UnhealthyThresholdCount"] >= 2, "one lost packet is no illness"


STALL = 180
"""How long a file system may hang before tasks are replaced for it, which all would be at once."""


def test_a_stall_of_the_file_system_replaces_no_task(resources: Data, container: Data) -> None:
    """Both checks ask for it, ECS ends a task that fails either, and a new one would find the same file system.

    A check that began just before the stall counts, so one interval less than the failures that it takes.
    """
    check, group = container["HealthCheck"], _properties(resources, "TargetGroup")
    for interval, failures in (
        (check["Interval"], check["Retries"]),
        (group["HealthCheckIntervalSeconds"], group["UnhealthyThresholdCount"]),
    ):
        assert interval * (failures - 1) > STALL
        assert interval * failures <= 600, "and a task that hangs by itself is replaced"
    assert group["HealthCheckIntervalSeconds"] * group["HealthyThresholdCount"] <= 60, "a new one is not kept waiting"


def test_only_the_servers_ok_is_healthy(resources: Data) -> None:
    """It answers 503 where it cannot read the packages, and 401 to whoever asks for anything else without a password."""
    group = _properties(resources, "TargetGroup")
    assert group["Matcher"] == {"HttpCode": "200"}
    assert group["Protocol"] == "HTTP"
    assert group["TargetType"] == "instance"


def test_the_port_is_the_same_for_server_health_check_and_service(resources: Data, container: Data) -> None:
    environment = {it["Name"]: str(it["Value"]) for it in container["Environment"]}
    (mapping,) = container["PortMappings"]
    (balancer,) = _properties(resources, "Service")["LoadBalancers"]
    assert str(mapping["ContainerPort"]) == environment["PORT"] == str(balancer["ContainerPort"])
    assert f"http://127.0.0.1:{environment['PORT']}/health" in json.dumps(container["HealthCheck"]["Command"])
    assert mapping["Protocol"] == "tcp"
    assert balancer["ContainerName"] == container["Name"]
    assert balancer["TargetGroupArn"] == "<TargetGroup>"


def test_packages_are_where_the_server_looks_for_them_and_can_be_written(resources: Data, container: Data) -> None:
    environment = {it["Name"]: str(it["Value"]) for it in container["Environment"]}
    (volume,) = _properties(resources, "TaskDefinition")["Volumes"]
    (mount,) = container["MountPoints"]
    assert mount == {
        "SourceVolume": volume["Name"],
        "ContainerPath": environment["PACKAGES_DIRECTORY"],
        "ReadOnly": False,
    }
    made = _properties(resources, "AccessPoint")["RootDirectory"]["CreationInfo"]
    assert (made["OwnerUid"], made["OwnerGid"]) == tuple(container["User"].split(":"))
    assert int(made["Permissions"], 8) & 0o700 == 0o700
    assert int(made["Permissions"], 8) & 0o022 == 0, "nobody else writes"


def test_each_account_gets_its_own_password(editions: Editions) -> None:
    """By the usernames that the secrets are made with, and the names that the server reads."""
    resources = editions.nested().resources
    (container,) = _properties(resources, "TaskDefinition")["ContainerDefinitions"]
    secrets = of_type(resources, "AWS::SecretsManager::Secret")
    environment = {}
    for it in container["Secrets"][1:]:
        title, field = re.fullmatch(r"<(\w+)>:(\w+)::", it["ValueFrom"]).groups()  # type: ignore[union-attr] # or fails
        generated = secrets[title]["GenerateSecretString"]
        value = {**json.loads(generated["SecretStringTemplate"]), generated["GenerateStringKey"]: f"of {title}"}
        environment[it["Name"]] = value[field]
    publisher, reader = Settings.from_environment(environment).accounts
    assert (publisher.username, publisher.password, publisher.may_upload) == ("publisher", "of PublisherSecret", True)
    assert (reader.username, reader.password, reader.may_upload) == ("reader", "of ReaderSecret", False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"immutable": True, "fallback_url": ""}),
        ({"ImmutablePackages": "false"}, {"immutable": False}),
        ({"FallbackUrl": "https://pypi.org/simple"}, {"fallback_url": "https://pypi.org/simple"}),
        ({"ReleaseOpenDays": "30"}, {"release_open_days": 30}),
        ({"GunicornWorkers": "7"}, {"workers": 7}),
    ],
)
def test_the_server_reads_what_the_operator_chose(
    editions: Editions, values: Values, expected: dict[str, object]
) -> None:
    (container,) = _properties(editions.nested(values).resources, "TaskDefinition")["ContainerDefinitions"]
    environment = {it["Name"]: str(it["Value"]) for it in container["Environment"]}
    credentials = {f"PUBLISHER_{field}": "x" for field in ("USERNAME", "PASSWORD")}
    server = Settings.from_environment({**environment, **credentials})
    assert {name: getattr(server, name) for name in expected} == expected


def test_tasks_are_scaled_by_what_makes_them_slow(resources: Data) -> None:
    """Their CPU: memory hardly follows the load, and an answer's time is the file system's as well."""
    policy = _properties(resources, "ScalingPolicy")
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
    assert (policy["PolicyType"], metric) == ("TargetTrackingScaling", "ECSServiceAverageCPUUtilization")
    assert 30 <= tracking["TargetValue"] <= 80, "room for what comes while a task starts"
    # A new task has to have taken its share before the next decision.
    assert tracking["ScaleOutCooldown"] >= _properties(resources, "Service")["HealthCheckGracePeriodSeconds"]
    assert tracking["ScaleInCooldown"] >= tracking["ScaleOutCooldown"]


def test_the_operators_bounds_are_those_of_scaling(editions: Editions) -> None:
    target = _properties(editions.nested({"TaskMinCount": "3", "TaskMaxCount": "7"}).resources, "ScalableTarget")
    assert (str(target["MinCapacity"]), str(target["MaxCapacity"])) == ("3", "7")
    assert target["ResourceId"] == "service/<Cluster>/<Service.Name>"
    assert (target["ServiceNamespace"], target["ScalableDimension"]) == ("ecs", "ecs:service:DesiredCount")


@pytest.mark.parametrize("capacity", ["ec2", "fargate"])
def test_zero_tasks_are_zero_and_else_scaling_decides(capacity: str, editions: Editions) -> None:
    """Within its bounds scaling leaves what runs, and ECS begins with one task unless told a number.

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
    """
    off, on = (
        _properties(editions.nested({"Capacity": capacity, "TaskMinCount": least}).resources, "Service")
        for least in ("0", "1")
    )
    assert off["DesiredCount"] == 0
    assert "DesiredCount" not in on, "an update would end the tasks that scaling has started"


def test_tasks_are_spread_over_zones_and_then_over_hosts(resources: Data) -> None:
    service = _properties(resources, "Service")
    spread = [(it["Type"], it["Field"]) for it in service["PlacementStrategies"]]
    assert spread == [("spread", "attribute:ecs.availability-zone"), ("spread", "instanceId")]
    assert service["AvailabilityZoneRebalancing"] == "ENABLED"
    assert _properties(resources, "LogAgentService")["SchedulingStrategy"] == "DAEMON"


def test_http_leads_to_https_and_nowhere_else(resources: Data) -> None:
    listeners = of_type(resources, "AWS::ElasticLoadBalancingV2::Listener")
    ports = {title: (it["Protocol"], it["Port"]) for title, it in listeners.items()}
    assert ports["HttpsListener"] == ("HTTPS", 443)
    assert ports.items() <= {"HttpListener": ("HTTP", 80), "HttpsListener": ("HTTPS", 443)}.items()
    for listener in (it for it in listeners.values() if it["Protocol"] == "HTTP"):
        (redirect,) = listener["DefaultActions"]
        assert redirect["Type"] == "redirect"
        target = redirect["RedirectConfig"]
        # Host, path and query of the request are kept, as nothing else is said.
        assert (target["Protocol"], target["Port"], target["StatusCode"]) == ("HTTPS", "443", "HTTP_301")
        assert not target.keys() & {"Host", "Path", "Query"}
    assert {it["LoadBalancerArn"] for it in listeners.values()} == {"<LoadBalancer>"}
    (refusal,) = listeners["HttpsListener"]["DefaultActions"]
    assert refusal["FixedResponseConfig"]["StatusCode"].startswith("4"), (
        "a name of somebody else's is the client's error"
    )


OLDEST = {"ELBSecurityPolicy-TLS13-1-2": ssl.TLSVersion.TLSv1_2, "ELBSecurityPolicy-TLS13-1-3": ssl.TLSVersion.TLSv1_3}
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html"""


def test_the_tls_policy_admits_no_version_before_1_2(resources: Data) -> None:
    policy = _properties(resources, "HttpsListener")["SslPolicy"]
    (oldest,) = {version for prefix, version in OLDEST.items() if re.match(rf"{prefix}\b", policy)}
    assert oldest >= ssl.TLSVersion.TLSv1_2
    assert "Ext" not in policy, "the extended policies admit CBC ciphers"


def test_only_amazon_may_certify_names_that_amazon_certifies(editions: Editions) -> None:
    """https://docs.aws.amazon.com/acm/latest/userguide/setup-caa.html: any of four values names Amazon's CA."""
    records = _properties(editions.nested().resources, "CertificateAuthorityRecords")["RecordSets"]
    issuers = {value for record in records for value in record["ResourceRecords"]}
    amazon = {f'0 issue "{it}"' for it in ("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com")}
    assert issuers
    assert issuers <= amazon
    assert {record["Type"] for record in records} == {"CAA"}


def test_records_lead_to_the_load_balancer(editions: Editions) -> None:
    records = _properties(editions.nested({"DnsNames": "a,b"}).resources, "Records")["RecordSets"]
    assert {(record["Name"], record["Type"]) for record in records} == {("a.example.com", "A"), ("b.example.com", "A")}
    for record in records:
        assert record["AliasTarget"]["DNSName"].endswith("<LoadBalancer.DNSName>")
        assert record["AliasTarget"]["HostedZoneId"] == "<LoadBalancer.CanonicalHostedZoneID>"
        assert record["AliasTarget"]["EvaluateTargetHealth"] is True


@pytest.mark.parametrize("mode", settings.EFS_THROUGHPUT_MODE.values)
def test_the_file_systems_throughput_is_as_chosen(editions: Editions, mode: str) -> None:
    given = {"EfsThroughputMode": mode, "EfsProvisionedThroughputInMibps": "42"}
    system = _properties(editions.nested(given).resources, "FileSystem")
    assert system["ThroughputMode"] == mode
    # EFS refuses a figure in another mode.
    assert system.get("ProvisionedThroughputInMibps") == ("42" if mode == "provisioned" else None)
    assert system["PerformanceMode"] == "generalPurpose"


def test_hosts_log_what_their_tasks_and_they_do_without_stopping_them(container: Data) -> None:
    options = container["LogConfiguration"]["Options"]
    assert options["mode"] == "non-blocking", "a slow CloudWatch would stop the server"
    assert options["awslogs-group"] == "<TaskLogs>"
    assert options["awslogs-region"] == "eu-west-1"
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html
    assert options["awslogs-stream-prefix"], "required on Fargate"


def test_spot_hosts_are_replaced_and_drained_before_they_are_taken_away(editions: Editions) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-instance-spot.html"""
    given = {"OnDemandBaseCapacity": "2", "OnDemandPercentageAboveBaseCapacity": "50"}
    resources = editions.nested(given).resources
    data = base64.b64decode(_properties(resources, "LaunchTemplate")["LaunchTemplateData"]["UserData"]).decode()
    assert "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true" in map(str.strip, data.splitlines())
    group = _properties(resources, "AutoScalingGroup")
    assert group["CapacityRebalance"] is True
    assert group["MixedInstancesPolicy"]["InstancesDistribution"] == {
        "OnDemandBaseCapacity": "2",
        "OnDemandPercentageAboveBaseCapacity": "50",
        "SpotAllocationStrategy": "price-capacity-optimized",
    }


def test_hosts_start_from_the_newest_version_of_their_template(resources: Data) -> None:
    launched = _properties(resources, "AutoScalingGroup")["MixedInstancesPolicy"]["LaunchTemplate"]
    assert launched["LaunchTemplateSpecification"] == {
        "LaunchTemplateId": "<LaunchTemplate>",
        "Version": "<LaunchTemplate.LatestVersionNumber>",
    }


def test_requests_go_to_the_task_with_the_fewest_under_way(resources: Data) -> None:
    """Uploads and downloads last: in turn, one task would collect the slow ones. Any task serves any request."""
    attributes = _attributes(resources, "TargetGroup", "TargetGroupAttributes")
    assert attributes["load_balancing.algorithm.type"] == "least_outstanding_requests"
    assert attributes["stickiness.enabled"] == "false"


def test_hosts_are_filled_and_go_with_their_volumes(resources: Data) -> None:
    scaling = _properties(resources, "CapacityProvider")["AutoScalingGroupProvider"]["ManagedScaling"]
    assert 80 <= scaling["TargetCapacity"] <= 100, "below, hosts are paid for that run nothing"
    for mapping in _properties(resources, "LaunchTemplate")["LaunchTemplateData"]["BlockDeviceMappings"]:
        assert mapping["Ebs"]["DeleteOnTermination"] is True


def test_a_refresh_replaces_protected_hosts_too(resources: Data) -> None:
    preferences = resources["AutoScalingGroup"]["UpdatePolicy"]["AutoScalingInstanceRefresh"]["Preferences"]
    assert preferences["ScaleInProtectedInstances"] == "Refresh", "or an update waits for them until it fails"


def test_a_cleaner_has_the_time_that_lambda_gives_and_cloudformation_waits_for_it(editions: Editions) -> None:
    resources = editions.nested(everything()).resources
    for title in ("AccessLogsCleaner", "VaultCleaner", "GroupCleaner"):
        timeout = _properties(resources, f"{title}Function")["Timeout"]
        assert timeout == 900, "the most there is"
        assert int(_properties(resources, title)["ServiceTimeout"]) >= timeout


def test_backups_can_be_made_and_restored(resources: Data) -> None:
    policies = {it.rpartition("/")[2] for it in _properties(resources, "BackupRole")["ManagedPolicyArns"]}
    assert policies == {"AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"}


def test_passwords_need_no_quotes_and_secrets_are_never_public(editions: Editions) -> None:
    """They stand in URLs, configuration files and environment variables."""
    resources = editions.nested(everything()).resources
    for secret in of_type(resources, "AWS::SecretsManager::Secret").values():
        if "GenerateSecretString" in secret:
            assert secret["GenerateSecretString"]["ExcludePunctuation"] is True
        else:
            assert secret["SecretString"] in ("[]", packed().rest), "of tokens, whose digests nobody has to type"
    policies = of_type(resources, "AWS::SecretsManager::ResourcePolicy").values()
    assert policies
    assert all(policy["BlockPublicPolicy"] is True for policy in policies)


def test_old_versions_of_logs_do_not_stay_for_ever_and_keys_rotate(resources: Data) -> None:
    (rule,) = _properties(resources, "AccessLogs")["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] <= 30
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] <= 30
    for key in of_type(resources, "AWS::KMS::Key").values():
        assert key["EnableKeyRotation"] is True
