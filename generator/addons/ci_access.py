"""Access for CI without a stored password: jobs of named repositories read one account's secret.

A job's token says in ``sub`` which repository and which branch, tag or environment it runs for. Each subject is
compared whole: no wildcard, and never the subject of a pull request.
https://docs.github.com/en/actions/reference/security/oidc
https://docs.gitlab.com/ci/secrets/id_token_authentication/
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from awacs import kms, secretsmanager
from awacs.aws import Allow, Condition, Principal, Statement, StringEquals
from awacs.sts import AssumeRoleWithWebIdentity
from troposphere import Equals, GetAtt, Not, Ref, Split, Template
from troposphere.iam import OIDCProvider, Policy, Role

from generator import conditions, kinds, settings
from generator.language.editions import Form, Single
from generator.language.retention import RETAIN_EXCEPT_ON_CREATE
from generator.language.wiring import Group, Setting, Stack, When, Wire
from generator.parts.descriptions import DESCRIPTIONS
from generator.parts.iam import document
from generator.parts.tags import tags
from generator.settings.values import KEY_ARN, items, optional

MAX_SUBJECTS = 20
MAX_LENGTH = 1600
"""Characters of all subjects: with the rest, a role's trust policy has at most 2,048, IAM's default quota.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""
AUDIENCE = "sts.amazonaws.com"
# Neither what separates subjects, nor a wildcard or a variable of IAM; GitHub writes a colon as %3A.
_CHARACTERS = "A-Za-z0-9._/@+#%=!();'-"
_REF = f"[{_CHARACTERS}]{{1,200}}"
_ENVIRONMENT = f"[{_CHARACTERS}]([ {_CHARACTERS}]{{0,253}}[{_CHARACTERS}])?"
# An owner's name has underscores if an enterprise manages its users.
_OWNER, _REPOSITORY = "[A-Za-z0-9_-]{1,39}", "[A-Za-z0-9._-]{1,100}"
_GITHUB = (
    f"repo:({_OWNER}/{_REPOSITORY}|{_OWNER}@[0-9]{{1,20}}/{_REPOSITORY}@[0-9]{{1,20}})"
    f":(ref:refs/(heads|tags)/{_REF}|environment:{_ENVIRONMENT})"
)
_GITLAB = f"project_path:[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+){{1,20}}:ref_type:(branch|tag):ref:{_REF}"

SECRET_ARN = Setting(
    name="SecretArn",
    label="Secret that jobs may read",
    description="Output ReaderSecretArn of the server's stack for jobs that install, PypiUserSecretArn for those that upload. One stack for each.",
    pattern="^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$",
    constraint="must be the whole ARN of a secret, which ends in a hyphen and six characters",
)
SECRET_KEY = Setting(
    name="KeyArn",
    label="KMS key of the secret",
    description="If SecretKmsKeyArn was given to the server's stack: the key, not an alias. Empty: the AWS managed key.",
    default="",
    pattern=optional(KEY_ARN),
    constraint="must be the ARN of a KMS key, not of an alias, or empty",
)


def _subjects(name: str, label: str, description: str, pattern: str, example: str) -> Setting:
    return Setting(
        name=name,
        label=label,
        description=f"Up to {MAX_SUBJECTS}, separated by commas. {description}",
        default="",
        pattern=f"^(?=.{{0,{MAX_LENGTH}}}$){items(pattern, MAX_SUBJECTS, least=0)[1:]}",
        constraint=f"must be up to {MAX_SUBJECTS} subjects separated by commas, of {MAX_LENGTH} characters in all, without wildcards and not of pull requests, e.g. {example}",
    )


@dataclass(frozen=True)
class Platform:
    """A CI service whose tokens IAM accepts; ``name`` begins its logical IDs, ``issuer`` is its host."""

    name: str
    issuer: str
    subjects: Setting

    @property
    def provider(self) -> Setting:
        return _PROVIDERS[self.name]

    @property
    def there(self) -> When:
        return When(f"Has{self.name}", lambda stack: Not(Equals(stack.take(self.subjects), "")))

    @property
    def is_new(self) -> When:
        return When(f"IsNew{self.name}Provider", lambda stack: Equals(stack.take(self.provider), ""))


GITHUB = Platform(
    "GitHub",
    "token.actions.githubusercontent.com",
    _subjects(
        "GitHubSubjects",
        "Jobs of GitHub Actions",
        "repo:OWNER/REPOSITORY:environment:NAME or repo:OWNER/REPOSITORY:ref:refs/heads/BRANCH; with OWNER@ID/REPOSITORY@ID where GitHub's tokens have the numbers. Empty: none.",
        _GITHUB,
        "repo:octo-org/octo-repo:environment:release",
    ),
)
GITLAB = Platform(
    "GitLab",
    "gitlab.com",
    _subjects(
        "GitLabSubjects",
        "Jobs of gitlab.com",
        "project_path:GROUP/PROJECT:ref_type:branch:ref:BRANCH, or ref_type:tag. Empty: none.",
        _GITLAB,
        "project_path:group/project:ref_type:branch:ref:main",
    ),
)
PLATFORMS = (GITHUB, GITLAB)
_PROVIDERS = {
    it.name: Setting(
        name=f"{it.name}ProviderArn",
        label=f"Existing identity provider of {it.name}",
        description="An account has one for each issuer: give its ARN if there is one. Empty: it is created.",
        default="",
        pattern=optional(f"arn:aws[a-z-]*:iam::[0-9]{{12}}:oidc-provider/{it.issuer.replace('.', '[.]')}"),
        constraint=f"must be the ARN of the IAM identity provider {it.issuer}, or empty",
    )
    for it in PLATFORMS
}
_FORM = Form(
    groups=(
        Group("Jobs", (SECRET_ARN, SECRET_KEY, *(s for it in PLATFORMS for s in (it.subjects, it.provider)))),
        Group(settings.NAMING.label, (settings.SERVICE_NAME, settings.ENVIRONMENT)),
        Group(settings.PROTECTION.label, (settings.PERMISSIONS_BOUNDARY_ARN,)),
    )
)


def ci_access() -> dict[str, Template]:
    """The template by its file name."""
    edition = Single("ci-access.yaml", DESCRIPTIONS["ci-access.yaml"], _FORM)
    stack = edition.stack("CiAccess", "")
    edition.expose(*(wire for platform in PLATFORMS for wire in _access(stack, platform)))
    return edition.templates()


def _access(stack: Stack, platform: Platform) -> tuple[Wire[kinds.Arn], Wire[kinds.RoleArn]]:
    """The platform's identity provider, created unless there is one, and the role of its jobs."""
    there = platform.there
    # Others in the account may have come to rely on it.
    provider = stack.add(
        OIDCProvider(
            f"{platform.name}Provider",
            **RETAIN_EXCEPT_ON_CREATE,
            Condition=stack.when(conditions.every(f"Makes{platform.name}Provider", there, platform.is_new)),
            Url=f"https://{platform.issuer}",
            ClientIdList=[AUDIENCE],
            Tags=tags(stack, platform.name.lower()),
        )
    )
    federated = stack.if_(platform.is_new, Ref(provider), platform.provider)
    trust = Statement(
        Effect=Allow,
        Principal=Principal("Federated", federated),
        Action=[AssumeRoleWithWebIdentity],
        Condition=Condition(
            StringEquals(
                {
                    f"{platform.issuer}:aud": AUDIENCE,
                    f"{platform.issuer}:sub": Split(",", stack.take(platform.subjects)),
                },
            )
        ),
    )
    role = stack.add(
        Role(
            f"{platform.name}Role",
            Condition=stack.when(there),
            AssumeRolePolicyDocument=document(trust),
            PermissionsBoundary=stack.if_(conditions.HAS_PERMISSIONS_BOUNDARY, settings.PERMISSIONS_BOUNDARY_ARN),
            Policies=[
                Policy(PolicyName="read-secret", PolicyDocument=_read(stack)),
                stack.if_(_HAS_KEY, Policy(PolicyName="decrypt-secret", PolicyDocument=_decrypt(stack))),
            ],
            Tags=tags(stack, f"{platform.name.lower()}-jobs"),
        )
    )
    return (
        stack.offer(
            f"{platform.name}IdentityProviderArn",
            stack.if_(there, federated, ""),
            f"{platform.provider.name} of the next stack for {platform.name}.",
        ),
        stack.offer(
            f"{platform.name}RoleArn",
            stack.if_(there, GetAtt(role, "Arn"), ""),
            f"Role of the jobs of {platform.name}.",
        ),
    )


_HAS_KEY = When("HasKey", lambda stack: Not(Equals(stack.take(SECRET_KEY), "")))


def _read(stack: Stack) -> dict[str, Any]:
    return document(Statement(Effect=Allow, Action=[secretsmanager.GetSecretValue], Resource=[stack.take(SECRET_ARN)]))


def _decrypt(stack: Stack) -> dict[str, Any]:
    """Of this secret only: https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"""
    of_secret = Condition(StringEquals("kms:EncryptionContext:SecretARN", stack.take(SECRET_ARN)))
    return document(
        Statement(Effect=Allow, Action=[kms.Decrypt], Resource=[stack.take(SECRET_KEY)], Condition=of_secret)
    )
