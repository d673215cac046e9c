"""Gives an account of the server a new password, so that neither it nor the old one is ever refused meanwhile.

Secrets Manager calls it with four steps, and with all of them again if one fails:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html

* createSecret: a pending version with a new password, and the old one with the time until which it is good.
* setSecret: waits until every task of the server has read the pending version, and takes its password.
* testSecret: what can be known here, that the pending version follows the current one. It cannot ask the server,
  to which it has no way.
* finishSecret: the pending version becomes the current one, unless somebody changed that by hand meanwhile.

Where a rotation fails the current version stays, and with it the old password.
"""

import json
import os
import secrets
import string
import time
from datetime import UTC, datetime, timedelta

import boto3

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
GRACE = timedelta(hours=float(os.environ["GRACE_HOURS"]))
"""For how long the old password is good beside the new one."""
WAIT = float(os.environ["WAIT_SECONDS"])
"""After which every task has read what changed."""


def create(client, arn, token):
    current = value_of(client, arn, VersionStage=CURRENT)
    try:
        client.get_secret_value(SecretId=arn, VersionId=token)
    except client.exceptions.ResourceNotFoundException:
        alphabet = string.ascii_letters + string.digits
        until = datetime.now(UTC) + GRACE
        following = current | {
            "password": "".join(secrets.choice(alphabet) for _ in range(32)),
            "previous": current["password"],
            "previous_until": until.isoformat(timespec="seconds"),
        }
        client.put_secret_value(
            SecretId=arn, ClientRequestToken=token, SecretString=json.dumps(following), VersionStages=[PENDING]
        )


def wait(client, arn, token):
    created = client.get_secret_value(SecretId=arn, VersionId=token)["CreatedDate"]
    time.sleep(max(0, WAIT - (datetime.now(UTC) - created).total_seconds()))


def test(client, arn, token):
    current = value_of(client, arn, VersionStage=CURRENT)
    try:
        pending = value_of(client, arn, VersionId=token)
    except (client.exceptions.ResourceNotFoundException, KeyError):
        # When a schedule is made, this step alone is called, to which a version without a value, or a copy, belongs.
        return
    if pending["password"] != current["password"]:
        require_successor(client, arn, token)


def finish(client, arn, token):
    stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    current = next(version for version, labels in stages.items() if CURRENT in labels)
    if current != token:
        require_successor(client, arn, token)
        # Fails if another version has become the current one since.
        client.update_secret_version_stage(
            SecretId=arn, VersionStage=CURRENT, MoveToVersionId=token, RemoveFromVersionId=current
        )
    if PENDING in stages.get(token, []):
        # Until every task has read the new version as the current one it is known to them as the pending one.
        time.sleep(WAIT)
        client.update_secret_version_stage(SecretId=arn, VersionStage=PENDING, RemoveFromVersionId=token)


def require_successor(client, arn, token):
    """Raises RuntimeError unless the version ``token`` follows the current one; it is then pending no longer."""
    current = value_of(client, arn, VersionStage=CURRENT)
    version = client.get_secret_value(SecretId=arn, VersionId=token)
    pending = json.loads(version["SecretString"])
    late = datetime.fromisoformat(pending["previous_until"]) - datetime.now(UTC) < GRACE / 2
    known = PENDING in version["VersionStages"]
    if known and not late and pending["previous"] == current["password"] and pending["username"] == current["username"]:
        return
    if known:
        # Else it would keep Secrets Manager from beginning another rotation.
        client.update_secret_version_stage(SecretId=arn, VersionStage=PENDING, RemoveFromVersionId=token)
    raise RuntimeError(
        "the current version changed meanwhile, or this began too long ago: it is abandoned, and the old password stays"
    )


def value_of(client, arn, **version):
    """Raises KeyError for a value without username and password."""
    value = json.loads(client.get_secret_value(SecretId=arn, **version)["SecretString"])
    value["username"], value["password"]
    return value


STEPS = {"createsecret": create, "setsecret": wait, "testsecret": test, "finishsecret": finish}


def handler(event, context):
    # AWS's pages spell the steps in two ways.
    step = STEPS[event["Step"].replace("_", "").lower()]
    step(boto3.client("secretsmanager"), event["SecretId"], event["ClientRequestToken"])
