"""Credentials of a trusted role: a token of 15 minutes, obtained from AWS as that role, instead of a stored password."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from generator.operations.aws import Account
from generator.operations.errors import ClientError, code
from generator.operations.exits import Problem
from generator.operations.formats import Credentials
from generator.operations.stacks import get, outputs_of_deployed

DISABLED = (
    "roles of this account cannot get identity tokens: run `aws iam enable-outbound-web-identity-federation` once"
)
_ANSWER_SECONDS = 20
# AWS's token is exchanged at once.
_IDENTITY_SECONDS = 60


def mint(account: Account, stack_name: str) -> Credentials:
    """For the first address of the stack. Raises Problem."""
    urls = outputs_of_deployed(get(account, stack_name))["PypiServerUrls"]
    return minted(account, urls.split(",")[0].rstrip("/"))


def minted(account: Account, url: str) -> Credentials:
    """For the server at ``url``. Raises Problem.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
    """
    audience = _answer(f"{url}/_/oidc/audience", "audience")
    try:
        identity = account.client("sts").get_web_identity_token(
            Audience=[audience], SigningAlgorithm="RS256", DurationSeconds=_IDENTITY_SECONDS
        )
    except ClientError as error:
        if "Disabled" not in code(error):
            raise
        raise Problem(DISABLED) from error
    token = _answer(f"{url}/_/oidc/mint-token", "token", {"token": identity["WebIdentityToken"]})
    return Credentials(url, "__token__", token)


def _answer(url: str, wanted: str, sent: dict[str, str] | None = None) -> str:
    """What the answer has under ``wanted``. Raises Problem."""
    body = None if sent is None else json.dumps(sent).encode()
    try:
        with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=_ANSWER_SECONDS) as answer:
            found = json.load(answer)
    except HTTPError as error:
        if error.code == 401:
            raise Problem(f"{url} asks for a password: deploy with Tokens=true, and see `trust aws`") from error
        raise Problem(f"{url} answers {error.code}: {_reason(error)}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise Problem(f"{url} cannot be read: {getattr(error, 'reason', error)}") from error
    text = found.get(wanted) if isinstance(found, dict) else None
    if not isinstance(text, str):
        raise Problem(f"{url} answers without {wanted}: is it the address of the server?")
    return text


def _reason(error: HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return error.reason
