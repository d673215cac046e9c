"""Who may do what: every policy document of the resolved templates."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deployments import Editions, everything, of_type
from resolve import PLACES, Data, Place

from generator.parts.container_program import packed

with warnings.catch_warnings():
    # parliament leaves its data files open.
    warnings.simplefilter("ignore", ResourceWarning)
    import parliament  # type: ignore[import-untyped] # ships no types


WITHOUT_RESOURCES = {
    # Actions whose permission cannot name a resource, and where their service says so.
    "autoscaling:DescribeAutoScalingGroups",  # list_amazonec2autoscaling.html
    "backup:ListBackupVaults",  # list_awsbackup.html
    "ssmmessages:CreateControlChannel",  # list_amazonsessionmanagermessagegatewayservice.html, as the next three
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/"""


def _identity_policies(resources: Data) -> dict[str, Data]:
    """The documents of ours that say what a role may do: by the role's logical ID and the policy's name, or its own."""
    inline = {
        f"{title}.{policy['PolicyName']}": policy["PolicyDocument"]
        for title, role in of_type(resources, "AWS::IAM::Role").items()
        for policy in role.get("Policies", [])
        # The one document that the operator writes.
        if policy["PolicyName"] != "extra-permissions"
    }
    attached = of_type(resources, "AWS::IAM::RolePolicy")
    return inline | {title: policy["PolicyDocument"] for title, policy in attached.items()}


def _statements(node: Any) -> Iterator[Data]:
    """Every policy statement anywhere in ``node``."""
    if isinstance(node, list):
        for item in node:
            yield from _statements(item)
    elif isinstance(node, dict):
        if "Effect" in node and ("Action" in node or "NotAction" in node):
            yield node
        for item in node.values():
            yield from _statements(item)


def _allowed(policy: Data) -> list[tuple[list[str], list[str], Data]]:
    """Actions, resources and Condition of each statement, all of which have to be Allow."""
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])
    return [(it["Action"], it["Resource"], it.get("Condition", {})) for it in policy["Statement"]]


def test_statements_are_found(resources: Data) -> None:
    documents = sum(len(it["Statement"]) for it in _identity_policies(resources).values())
    assert documents >= 5
    assert len(list(_statements(resources))) > documents


def test_no_statement_uses_a_negation(resources: Data) -> None:
    found = {key for statement in _statements(resources) for key in statement}
    assert {"Action", "Principal", "Resource"} <= found
    assert not {"NotAction", "NotPrincipal", "NotResource"} & found


def test_nobody_in_particular_is_allowed_nothing(resources: Data) -> None:
    allowed = [it["Principal"] for it in _statements(resources) if it["Effect"] == "Allow" and "Principal" in it]
    assert allowed
    assert [principal for principal in allowed if "*" in json.dumps(principal)] == []


def test_no_wildcard_action_is_allowed_but_the_keys_administration(resources: Data) -> None:
    found = [it for it in _statements(resources) if it["Effect"] == "Allow" and "*" in json.dumps(it["Action"])]
    (administration,) = found
    assert administration["Action"] == ["kms:*"]
    assert administration["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert administration in resources["TopicKey"]["Properties"]["KeyPolicy"]["Statement"]


def test_every_permission_names_its_resource_where_the_action_knows_one(resources: Data) -> None:
    policies = _identity_policies(resources)
    assert policies
    for name, policy in policies.items():
        for actions, on, _ in _allowed(policy):
            assert isinstance(actions, list)
            if "*" in on:
                assert on == ["*"], name
                assert set(actions) <= WITHOUT_RESOURCES, name


def test_the_list_of_actions_without_resources_has_no_leftovers(editions: Editions) -> None:
    policies = _identity_policies(editions.nested(everything()).resources).values()
    used = {action for it in policies for actions, on, _ in _allowed(it) if on == ["*"] for action in actions}
    assert used == WITHOUT_RESOURCES


OWNER = "eu-west-1:123456789012"
ARNS = {
    r"<AccessLogs\.Arn>": "arn:aws:s3:::access-logs",
    r"<(\w+Logs)\.Arn>": rf"arn:aws:logs:{OWNER}:log-group:\1:*",
    r"<AccessPoint\.Arn>": f"arn:aws:elasticfilesystem:{OWNER}:access-point/fsap-0123456789abcdef0",
    r"<BackupVault\.BackupVaultArn>": f"arn:aws:backup:{OWNER}:backup-vault:vault",
    r"<(\w+Secret)>": rf"arn:aws:secretsmanager:{OWNER}:secret:\1-AbCdEf",
    r"<FileSystem>": "fs-0123456789abcdef0",
    r"<AutoScalingGroup>": "hosts",
}
"""What stands for the resources that are not there yet; the first pattern that matches."""
EXPECTED = {
    # AWS's own examples compare this ARN, which has no wildcard, with StringEquals:
    # https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html
    ("TaskRolePackages", "MISMATCHED_TYPE_BUT_USABLE"),
}


def _concrete(policy: Data) -> str:
    text = json.dumps(policy)
    for token, arn in ARNS.items():
        text = re.sub(token, arn, text)
    assert "<" not in text, f"no ARN for a token in {text}"
    return text


def test_parliament_finds_nothing_but_what_is_expected(resources: Data) -> None:
    found = {
        (name, finding.issue)
        for name, policy in _identity_policies(resources).items()
        for finding in parliament.analyze_policy_string(_concrete(policy)).findings
    }
    assert found == EXPECTED


def test_parliament_would_find_something() -> None:
    wrong = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:NoSuch"], "Resource": ["*"]}]}
    assert parliament.analyze_policy_string(json.dumps(wrong)).findings


PROGRAMS = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ServerProgram*"


def test_who_reads_the_accounts_secrets(editions: Editions) -> None:
    resources = editions.nested({**everything(), "PasswordRotationDays": "0", "Tokens": "false"}).resources
    secrets = ["<PublisherSecret>", "<ReaderSecret>"]
    readers = {
        name: (actions, on)
        for name, policy in _identity_policies(resources).items()
        for actions, on, _ in _allowed(policy)
        if any(action.startswith("secretsmanager:") for action in actions)
    }
    assert readers == {
        "ExecutionRole.start-tasks": (["secretsmanager:GetSecretValue"], secrets),
        "ExecutionRole.read-program": (["secretsmanager:GetSecretValue"], [PROGRAMS]),
    }
    assert [*secrets, f"<{packed().secret}>"] == [
        f"<{title}>" for title in of_type(resources, "AWS::SecretsManager::Secret")
    ]
    task = resources["TaskDefinition"]["Properties"]
    assert task["ExecutionRoleArn"] == "<ExecutionRole.Arn>"
    assert task["TaskRoleArn"] == "<TaskRole.Arn>"


def test_with_tokens_tasks_read_their_secret_and_nobody_writes_it(editions: Editions) -> None:
    given = {"Tokens": "true", "SecretKmsKeyArn": everything()["SecretKmsKeyArn"]}
    policies = _identity_policies(editions.nested(given).resources)
    found = {name: policy for name, policy in policies.items() if "TokensSecret" in json.dumps(policy)}
    assert found.keys() == {"TaskRole.read-tokens"}
    assert _allowed(found["TaskRole.read-tokens"]) == [(["secretsmanager:GetSecretValue"], ["<TokensSecret>"], {})]
    assert _allowed(policies["TaskRole.decrypt-secrets"])[0][0] == ["kms:Decrypt"]
    assert "TaskRole.read-accounts" not in policies


def test_with_rotation_tasks_read_and_its_function_writes_the_accounts_secrets_and_no_others(
    editions: Editions,
) -> None:
    secrets = ["<PublisherSecret>", "<ReaderSecret>"]
    write = ["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"]
    for key, decrypts in (({}, False), ({"SecretKmsKeyArn": everything()["SecretKmsKeyArn"]}, True)):
        policies = _identity_policies(editions.nested({"PasswordRotationDays": "30", **key}).resources)
        found = {
            name: (actions, on)
            for name, policy in policies.items()
            for actions, on, _ in _allowed(policy)
            if any(action.startswith(("secretsmanager:", "kms:")) for action in actions)
        }
        assert found.pop("RotationRole.rotate") == ([f"secretsmanager:{it}" for it in write], secrets)
        for name in ("TaskRole.read-accounts", "ExecutionRole.start-tasks"):
            assert found.pop(name) == (["secretsmanager:GetSecretValue"], secrets)
        assert found.pop("ExecutionRole.read-program") == (["secretsmanager:GetSecretValue"], [PROGRAMS])
        if decrypts:
            assert {actions[0] for actions, _ in found.values()} == {"kms:Decrypt"}
            assert {name.partition(".")[0] for name in found} == {"RotationRole", "TaskRole", "ExecutionRole"}
            assert found["RotationRole.use-secret-key"][0] == ["kms:Decrypt", "kms:GenerateDataKey"]
        else:
            assert not found


def test_the_task_mounts_and_writes_through_the_access_point_over_tls_and_does_nothing_else(editions: Editions) -> None:
    resources = editions.nested().resources
    role, policy = (resources[title]["Properties"] for title in ("TaskRole", "TaskRolePackages"))
    assert "ManagedPolicyArns" not in role
    assert not role.get("Policies")
    assert policy["RoleName"] == "<TaskRole>"
    ((actions, on, condition),) = _allowed(policy["PolicyDocument"])
    assert actions == ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    assert on == ["arn:aws:elasticfilesystem:eu-west-1:123456789012:file-system/<FileSystem>"]
    assert condition == {
        "StringEquals": {"elasticfilesystem:AccessPointArn": "<AccessPoint.Arn>"},
        "Bool": {"aws:SecureTransport": "true"},
    }


def test_the_task_of_an_adopted_file_system_mounts_that_one(editions: Editions) -> None:
    resources = editions.nested({"ExistingFileSystemId": "fs-0123456789abcdef0"}).resources
    policy = resources["TaskRolePackages"]["Properties"]
    ((_, on, _),) = _allowed(policy["PolicyDocument"])
    assert on == ["arn:aws:elasticfilesystem:eu-west-1:123456789012:file-system/fs-0123456789abcdef0"]


def test_readers_of_the_secrets_only_read_them(editions: Editions) -> None:
    readers = everything()["SecretReaders"]
    resources = editions.nested({"SecretReaders": readers}).resources
    policies = of_type(resources, "AWS::SecretsManager::ResourcePolicy").values()
    secrets = of_type(resources, "AWS::SecretsManager::Secret")
    assert [policy["SecretId"] for policy in policies] == [
        f"<{title}>" for title in secrets if title != packed().secret
    ]
    for policy in policies:
        assert policy["BlockPublicPolicy"] is True
        (statement,) = policy["ResourcePolicy"]["Statement"]
        assert statement["Principal"] == {"AWS": readers.split(",")}
        assert statement["Action"] == ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]


def test_the_secrets_key_is_used_by_the_secrets_and_the_execution_role(editions: Editions) -> None:
    key = everything()["SecretKmsKeyArn"]
    resources = editions.nested({"SecretKmsKeyArn": key}).resources
    assert {secret["KmsKeyId"] for secret in of_type(resources, "AWS::SecretsManager::Secret").values()} == {key}
    users = {
        name: (actions, on)
        for name, policy in _identity_policies(resources).items()
        for actions, on, _ in _allowed(policy)
        if any(action.startswith("kms:") for action in actions)
    }
    assert users == {"ExecutionRole.decrypt-secrets": (["kms:Decrypt"], [key])}


def test_the_page_on_keys_names_every_role_that_uses_the_secrets_key(editions: Editions) -> None:
    """A key whose policy does not leave it to IAM has to admit each, or tasks do not start and no password rotates."""
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith("| `SecretKmsKeyArn`")]
    resources = editions.nested({**everything(), "PasswordRotationDays": "30", "Tokens": "true"}).resources
    used = {
        (name.partition(".")[0], action)
        for name, policy in _identity_policies(resources).items()
        for actions, on, _ in _allowed(policy)
        for action in actions
        if everything()["SecretKmsKeyArn"] in on
    }
    assert {role for role, _ in used} == {"ExecutionRole", "TaskRole", "RotationRole"}
    assert {word for pair in used for word in pair} <= set(re.findall("`([A-Za-z:]+)`", row))


def test_an_alias_admits_the_keys_that_have_it(editions: Editions) -> None:
    """A Resource cannot name it: the policy would apply to the alias and not to its key."""
    place = "arn:aws:kms:eu-west-1:123456789012"
    resources = editions.nested({"SecretKmsKeyArn": f"{place}:alias/team/pypi"}).resources
    keys = {secret["KmsKeyId"] for secret in of_type(resources, "AWS::SecretsManager::Secret").values()}
    assert keys == {f"{place}:alias/team/pypi"}
    decrypt = list(_allowed(_identity_policies(resources)["ExecutionRole.decrypt-secrets"]))
    assert decrypt == [
        (
            ["kms:Decrypt"],
            [f"{place}:key/*"],
            {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/team/pypi"]}},
        )
    ]


def test_each_role_is_for_one_service_and_task_roles_for_this_account(resources: Data) -> None:
    roles = of_type(resources, "AWS::IAM::Role")
    assert roles
    for title, role in roles.items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Action"] == ["sts:AssumeRole"]
        ((kind, service),) = trust["Principal"].items()
        assert (kind, type(service)) == ("Service", str), title
        if service.startswith("ecs-tasks."):
            assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}, title


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_services_have_the_same_principals_everywhere_and_managed_policies_are_the_partitions(
    editions: Editions, place: Place
) -> None:
    """IAM of aws-eusc refuses ``ec2.amazonaws.eu``, https://github.com/pulumi/pulumi-eks/issues/2341."""
    resources = editions.nested(everything(), place).resources
    principals = [it.get("Principal", {}) for it in _statements(resources)]
    services = [it["Service"] for it in principals if "Service" in it]
    names = {name for it in services for name in ([it] if isinstance(it, str) else it)}
    assert "ec2.amazonaws.com" in names
    assert all(re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com", name) for name in names), names
    for role in of_type(resources, "AWS::IAM::Role").values():
        policies = role.get("ManagedPolicyArns", [])
        ours = [arn for arn in policies if arn not in everything()["ExtraManagedPolicyArns"]]
        assert all(arn.startswith(f"arn:{place.partition}:iam::aws:policy/") for arn in ours)


def test_no_managed_policy_gives_full_access(resources: Data) -> None:
    roles = of_type(resources, "AWS::IAM::Role")
    managed = {title: role["ManagedPolicyArns"] for title, role in roles.items() if "ManagedPolicyArns" in role}
    assert managed
    assert not re.search(r"FullAccess|Administrator|PowerUser", str(managed))


def test_the_hosts_policies_are_ours_and_then_the_operators(editions: Editions) -> None:
    given = everything()["ExtraManagedPolicyArns"].split(",")
    ours = editions.nested().resources["HostRole"]["Properties"]["ManagedPolicyArns"]
    role = editions.nested({"ExtraManagedPolicyArns": ",".join(given)}).resources["HostRole"]["Properties"]
    assert role["ManagedPolicyArns"] == ours + given
    assert len(role["ManagedPolicyArns"]) <= 10, "IAM's default quota"


def test_every_role_has_the_boundary_if_one_is_given(editions: Editions) -> None:
    boundary = everything()["PermissionsBoundaryArn"]
    roles = of_type(editions.nested(everything()).resources, "AWS::IAM::Role")
    assert roles.keys() == of_type(editions.single_file["Resources"], "AWS::IAM::Role").keys()
    assert {role["PermissionsBoundary"] for role in roles.values()} == {boundary}
    for role in of_type(editions.nested().resources, "AWS::IAM::Role").values():
        assert "PermissionsBoundary" not in role


def test_only_the_load_balancers_service_writes_access_logs_of_this_account(resources: Data) -> None:
    statements = resources["AccessLogsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (deliver,) = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert deliver["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert deliver["Action"] == ["s3:PutObject"]
    assert deliver["Resource"] == ["<AccessLogs.Arn>/AWSLogs/123456789012/*"]


def test_alarms_and_events_may_publish_under_the_topics_key(resources: Data) -> None:
    """Under SNS's own key their messages would be lost without a word."""
    assert resources["Topic"]["Properties"]["KmsMasterKeyId"] == "<TopicKey>"
    key = resources["TopicKey"]["Properties"]
    assert key["EnableKeyRotation"] is True
    for service in ("cloudwatch.amazonaws.com", "events.amazonaws.com"):
        admitted = {
            action
            for statement in key["KeyPolicy"]["Statement"]
            if service in statement["Principal"].get("Service", [])
            for action in statement["Action"]
        }
        assert admitted == {"kms:Decrypt", "kms:GenerateDataKey"}, service
    topic = resources["TopicPolicy"]["Properties"]
    assert topic["Topics"] == ["<Topic>"]
    publishers = {statement["Principal"]["Service"] for statement in topic["PolicyDocument"]["Statement"]}
    assert publishers == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    for statement in topic["PolicyDocument"]["Statement"]:
        assert (statement["Action"], statement["Resource"]) == (["sns:Publish"], ["<Topic>"])
        if statement["Principal"]["Service"] == "cloudwatch.amazonaws.com":
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_vaults_cleaner_deletes_recovery_points_of_its_vault_alone(editions: Editions) -> None:
    """By the tag that the plan gives them: neither their ARN nor a condition of IAM names the vault."""
    resources = editions.nested({"BackupsForceDestroy": "true"}).resources
    policy = _identity_policies(resources)["VaultCleanerRole.clean"]
    (condition,) = [condition for actions, _, condition in _allowed(policy) if "backup:DeleteRecoveryPoint" in actions]
    name = resources["BackupVault"]["Properties"]["BackupVaultName"]
    assert condition == {"StringEquals": {"aws:ResourceTag/backup-vault": name}}
    (rule,) = resources["BackupPlan"]["Properties"]["BackupPlan"]["BackupPlanRule"]
    assert rule["RecoveryPointTags"]["backup-vault"] == name
    on_files = {it["Key"]: it["Value"] for it in resources["FileSystem"]["Properties"]["FileSystemTags"]}
    assert on_files["backup-vault"] == name
