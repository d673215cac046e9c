"""Who gets the role of ci-access.yaml: its trust policy on tokens as GitHub and gitlab.com issue them.

The claims are those of the pages that generator/addons/ci_access.py names. That the services issue them so, and that
IAM takes them, is theirs.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from deployments import Editions
from refuse import constraint_violations
from resolve import PLACES, Data, Evaluation, Place

from generator.addons.ci_access import AUDIENCE, MAX_LENGTH, MAX_SUBJECTS, PLATFORMS, Platform

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ReaderSecret-AbCd-a1B2c3"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
ENVIRONMENT = "repo:octo-org/octo-repo:environment:release"
MAIN = "repo:octo-org/octo-repo:ref:refs/heads/main"
TAG = "repo:octo-org/octo-repo:ref:refs/tags/v1"
IMMUTABLE = "repo:octo-org@123456/octo-repo@456789:ref:refs/heads/main"
GITLAB_MAIN = "project_path:group/sub/project:ref_type:branch:ref:main"
GITHUB_ISSUER, GITLAB_ISSUER = "token.actions.githubusercontent.com", "gitlab.com"


def made(editions: Editions, place: Place = PLACES[0], **given: str) -> Evaluation:
    return Evaluation(editions.templates["ci-access.yaml"], {"SecretArn": SECRET, **given}, place)


def admits(role: Data, issuer: str, claims: dict[str, str]) -> bool:
    """Whether IAM gives the role for a token: its issuer is the principal's, every claim one of those listed, to the letter."""
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == ["sts:AssumeRoleWithWebIdentity"]
    assert statement["Condition"].keys() == {"StringEquals"}
    listed: dict[str, Any] = statement["Condition"]["StringEquals"]
    assert listed.keys() == {f"{issuer}:aud", f"{issuer}:sub"}
    accepted = {key: [it] if isinstance(it, str) else it for key, it in listed.items()}
    return all(claims[key.rpartition(":")[2]] in values for key, values in accepted.items())


@pytest.mark.parametrize(
    ("subject", "admitted"),
    [
        (MAIN, True),
        (ENVIRONMENT, True),
        (IMMUTABLE, True),
        ("repo:octo-org/octo-repo:pull_request", False),
        ("repo:stranger/octo-repo:ref:refs/heads/main", False),  # a fork
        ("repo:octo-org/octo-repo2:ref:refs/heads/main", False),
        ("repo:octo-org/octo-repo-evil:environment:release", False),
        ("repo:octo-org/octo-repo:ref:refs/heads/main2", False),
        ("repo:octo-org/octo-repo:ref:refs/heads/topic", False),
        ("repo:octo-org/octo-repo:ref:refs/tags/main", False),
        (TAG, False),
        ("repo:octo-org/octo-repo:environment:Release", False),
        ("repo:octo-org/octo-repo:environment:staging", False),
        ("repo:Octo-Org/octo-repo:ref:refs/heads/main", False),
        # Another owner of the name after it was given up.
        ("repo:octo-org@999999/octo-repo@456789:ref:refs/heads/main", False),
        ("repo:octo-org@123456/octo-repo@111111:ref:refs/heads/main", False),
        # Subjects that an organisation has customised.
        ("repository_owner:octo-org", False),
        ("repo:octo-org/octo-repo:job_workflow_ref:octo-org/x/.github/workflows/y.yml@refs/heads/main", False),
    ],
)
def test_github(editions: Editions, subject: str, admitted: bool) -> None:
    role = made(editions, GitHubSubjects=f"{MAIN},{ENVIRONMENT},{IMMUTABLE}").resources["GitHubRole"]
    assert admits(role, GITHUB_ISSUER, {"sub": subject, "aud": "sts.amazonaws.com"}) is admitted
    assert not admits(role, GITHUB_ISSUER, {"sub": subject, "aud": "https://github.com/octo-org"})


@pytest.mark.parametrize(
    ("subject", "admitted"),
    [
        (GITLAB_MAIN, True),
        ("project_path:stranger/project:ref_type:branch:ref:main", False),  # a fork
        ("project_path:group/sub/project:ref_type:tag:ref:main", False),
        ("project_path:group/sub/project:ref_type:branch:ref:topic", False),
        ("project_path:group/sub/project2:ref_type:branch:ref:main", False),
        ("project_path:Group/sub/project:ref_type:branch:ref:main", False),
    ],
)
def test_gitlab(editions: Editions, subject: str, admitted: bool) -> None:
    role = made(editions, GitLabSubjects=GITLAB_MAIN).resources["GitLabRole"]
    assert admits(role, GITLAB_ISSUER, {"sub": subject, "aud": "sts.amazonaws.com"}) is admitted
    assert not admits(role, GITLAB_ISSUER, {"sub": subject, "aud": "https://gitlab.com"})


@pytest.mark.parametrize(
    "subjects",
    [
        "repo:octo-org/octo-repo:*",
        "repo:octo-org/*:ref:refs/heads/main",
        "repo:octo-org*/octo-repo:ref:refs/heads/main",
        "repo:octo-org/octo-repo:ref:refs/heads/*",
        "repo:octo-org/octo-repo:ref:refs/heads/rel?ase",
        "repo:octo-org/octo-repo:pull_request",
        "repo:octo-org/octo-repo:ref:refs/pull/1/merge",
        "repo:octo-org@1/octo-repo:ref:refs/heads/main",
        "repo:octo-org/octo-repo",
        "repo:octo-org/octo-repo:ref:refs/heads/${aws:username}",
        "repo:octo-org/octo-repo:environment:Production:V1",
        "repo:octo-org/octo-repo:environment:release ",
        f"{MAIN}, {ENVIRONMENT}",
        "octo-org/octo-repo",
    ],
)
def test_what_others_could_use_is_refused(editions: Editions, subjects: str) -> None:
    assert constraint_violations(
        editions.templates["ci-access.yaml"], {"SecretArn": SECRET, "GitHubSubjects": subjects}
    )


@pytest.mark.parametrize(
    "subjects", ["project_path:group/*:ref_type:branch:ref:main", "project_path:group", GITLAB_MAIN + "*"]
)
def test_so_is_it_of_gitlab(editions: Editions, subjects: str) -> None:
    assert constraint_violations(
        editions.templates["ci-access.yaml"], {"SecretArn": SECRET, "GitLabSubjects": subjects}
    )


def test_what_the_tests_use_is_taken(editions: Editions) -> None:
    given = {
        "SecretArn": SECRET,
        "KeyArn": KEY,
        "GitHubSubjects": f"{MAIN},{ENVIRONMENT},{IMMUTABLE},{TAG}",
        "GitLabSubjects": GITLAB_MAIN,
    }
    assert not constraint_violations(editions.templates["ci-access.yaml"], given)


@pytest.mark.parametrize(
    "subject",
    [
        # GitHub's own example of an environment named Production:V1.
        "repo:octo-org/octo-repo:environment:Production%3AV1",
        "repo:octo-org/octo-repo:environment:live/eu west (blue)",
        "repo:Octo-Org/Octo.Repo_2:environment:R",
        "repo:octocat_acme/octo-repo:ref:refs/heads/main",
        "repo:octo-org/octo-repo:ref:refs/heads/feature/A=b!",
        "repo:octo-org/octo-repo:ref:refs/tags/v1.0.0+build.1",
    ],
)
def test_names_that_github_admits_are_taken_to_the_letter(editions: Editions, subject: str) -> None:
    given = f"{MAIN},{subject}"
    assert not constraint_violations(
        editions.templates["ci-access.yaml"], {"SecretArn": SECRET, "GitHubSubjects": given}
    )
    role = made(editions, GitHubSubjects=given).resources["GitHubRole"]
    assert admits(role, GITHUB_ISSUER, {"sub": subject, "aud": AUDIENCE})
    assert not admits(role, GITHUB_ISSUER, {"sub": subject.swapcase(), "aud": AUDIENCE})


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_a_trust_policy_that_iam_would_not_hold_is_refused(
    editions: Editions, platform: Platform, place: Place
) -> None:
    """2,048 characters are IAM's default quota: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    start = {"GitHub": MAIN, "GitLab": GITLAB_MAIN}[platform.name]
    longest = ",".join([start] * MAX_SUBJECTS).ljust(MAX_LENGTH, "n")
    provider = f"arn:{place.partition}:iam::123456789012:oidc-provider/{platform.issuer}"
    given = {"SecretArn": SECRET, platform.subjects.name: longest, platform.provider.name: provider}
    role = Evaluation(editions.templates["ci-access.yaml"], given, place).resources[f"{platform.name}Role"]
    policy = json.dumps(role["Properties"]["AssumeRolePolicyDocument"], separators=(",", ":"))
    assert len(policy) <= 2048
    fitting = ",".join([f"{start}{'n' * 150}"] * (MAX_LENGTH // (len(start) + 151)))
    for subjects, refused in ((fitting, False), (f"{fitting},{start}{'n' * 150}", True)):
        assert (
            bool(
                constraint_violations(
                    editions.templates["ci-access.yaml"], {"SecretArn": SECRET, platform.subjects.name: subjects}
                )
            )
            is refused
        )


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
@pytest.mark.parametrize("key", ["", KEY])
def test_a_job_may_read_the_one_secret_and_nothing_else(editions: Editions, place: Place, key: str) -> None:
    resources = made(editions, place, GitHubSubjects=MAIN, GitLabSubjects=GITLAB_MAIN, KeyArn=key).resources
    for title in ("GitHubRole", "GitLabRole"):
        properties = resources[title]["Properties"]
        assert "ManagedPolicyArns" not in properties
        statements = [s for policy in properties["Policies"] for s in policy["PolicyDocument"]["Statement"]]
        read = {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [SECRET]}
        decrypt = {
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [KEY],
            "Condition": {"StringEquals": {"kms:EncryptionContext:SecretARN": SECRET}},
        }
        assert statements == ([read, decrypt] if key else [read])


def test_a_provider_is_made_unless_there_is_one(editions: Editions) -> None:
    assert made(editions).resources == {}
    fresh = made(editions, GitHubSubjects=MAIN)
    assert fresh.resources.keys() == {"GitHubProvider", "GitHubRole"}
    arn = f"arn:aws:iam::123456789012:oidc-provider/{GITHUB_ISSUER}"
    given = made(editions, GitHubSubjects=MAIN, GitHubProviderArn=arn)
    assert given.resources.keys() == {"GitHubRole"}
    for title in ("GitHubProvider", "GitLabProvider"):
        resource = editions.templates["ci-access.yaml"]["Resources"][title]
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate", "stacks of other accounts of the server rely on it"
        assert resource["UpdateReplacePolicy"] == "Retain"
        assert resource["Properties"]["ClientIdList"] == ["sts.amazonaws.com"], "or it takes no token of a job"
    for it, provider in ((fresh, "<GitHubProvider>"), (given, arn)):
        (statement,) = it.resources["GitHubRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Federated": provider}
        assert it.outputs["GitHubIdentityProviderArn"] == provider
