"""AWS's errors, and the network's, in one line for the person who has to act."""

from __future__ import annotations

import traceback
from typing import Any

from botocore import exceptions  # type: ignore[import-untyped] # botocore has no types
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped] # see above
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped] # see above

__all__ = [
    "AWS_ERRORS",
    "DENIED",
    "ClientError",
    "NotAWS",
    "code",
    "explain",
    "is_of_aws",
    "is_of_configuration",
    "refuse_web_pages",
]

AWS_ERRORS = (BotoCoreError, ClientError, ResponseParserError)
"""What boto3 raises because of an account, an answer or the network."""

_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN = ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_THROTTLED = ("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown")
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")
_GATEWAY = ("502", "503", "504", "407")
"""A status instead of a code: the responder does not speak the service's protocol."""

_CONFIGURATION = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.NoRegionError,
    exceptions.ProfileNotFound,
    exceptions.ConfigParseError,
    exceptions.InvalidConfigError,
)

_LOG_IN = "run `aws configure` or `aws sso login`, or choose a --profile"
_NETWORK = "check the network, the proxy (HTTPS_PROXY), --region and --endpoint-url, then run this again"
_TO_DO = {
    exceptions.NoCredentialsError: _LOG_IN,
    exceptions.PartialCredentialsError: _LOG_IN,
    exceptions.CredentialRetrievalError: _LOG_IN,
    exceptions.TokenRetrievalError: "run `aws sso login`",
    exceptions.SSOError: "run `aws sso login`",
    exceptions.LoginError: "run `aws login`",
    exceptions.ProfileNotFound: "`aws configure list-profiles` lists the profiles",
    exceptions.ConfigParseError: "mend that file",
    exceptions.InvalidConfigError: "correct the profile in AWS's configuration file",
    exceptions.UnknownEndpointError: "look at --region",
    exceptions.InvalidRegionError: "look at --region",
    exceptions.ConnectionError: _NETWORK,
    exceptions.HTTPClientError: _NETWORK,
}


def is_of_aws(error: BaseException) -> bool:
    """Whether boto3 raised it: AWS_ERRORS, or what it raises for a setting that it does not check."""
    frames = traceback.walk_tb(error.__traceback__)
    libraries = ("boto3", "botocore", "urllib3")
    return isinstance(error, AWS_ERRORS) or any(
        frame.f_globals.get("__name__", "").split(".")[0] in libraries for frame, _ in frames
    )


def is_of_configuration(error: BaseException) -> bool:
    """Whether this machine's settings or the options lack something, so that AWS was not called at all."""
    return isinstance(error, _CONFIGURATION)


class NotAWS(BotoCoreError):  # type: ignore[misc] # see above
    """A web page came instead of a service's answer, for example from a proxy or a hotel's login."""

    fmt = "{url} answered {operation} with a web page, so something other than AWS answered"


def refuse_web_pages(operation_model: Any, response_dict: dict[str, Any], **_event: object) -> None:
    """A handler of botocore's event before-parse. Failures of the server's side are left to botocore's retries."""
    body = response_dict["body"]
    begin = body[:200].lstrip().lower() if isinstance(body, bytes) else b""
    if begin.startswith((b"<!doctype html", b"<html")) and response_dict["status_code"] < 500:
        raise NotAWS(url=operation_model.service_model.endpoint_prefix, operation=operation_model.name)


def code(error: Any) -> str:
    """The error code of a ClientError, e.g. ``AccessDenied``; the HTTP status if the answer had none."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "unknown")
    return str(error.response.get("Error", {}).get("Code") or status)


def explain(error: Exception) -> str:
    """One line for an error that ``is_of_aws``: what failed, and what to do."""
    if isinstance(error, exceptions.NoCredentialsError):
        return f"no AWS credentials: {_LOG_IN}"
    if isinstance(error, exceptions.NoRegionError):
        return "no region: add --region, or set AWS_REGION"
    if isinstance(error, NotAWS | ResponseParserError):
        said = error if isinstance(error, NotAWS) else "what answered does not speak AWS's protocol"
        return f"{said}: {_NETWORK}"
    if not isinstance(error, ClientError):
        to_do = next((f": {known}" for kind, known in _TO_DO.items() if isinstance(error, kind)), "")
        if not isinstance(error, BotoCoreError):
            to_do = ": check the profile, AWS's environment variables, --region and --endpoint-url"
        return " ".join(str(error).split()).rstrip(".") + to_do
    return _explain_answer(error)


def _explain_answer(error: Any) -> str:
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    match code(error):
        case name if name in _EXPIRED:
            return f"the AWS credentials have expired ({error.operation_name}): get new ones, e.g. by `aws sso login`"
        case name if name in _UNKNOWN:
            return f"AWS does not know these credentials ({name}): check the profile, the region and the clock"
        case name if name in _THROTTLED:
            return f"AWS throttles {error.operation_name} even after ten attempts: wait a minute, then run this again"
        case name if name in DENIED:
            return f"these credentials may not {error.operation_name}: {message or 'access denied'}"
        case name if name in _GATEWAY:
            return f"{error.operation_name} was answered by {name}{f' {message}' if message else ''}: {_NETWORK}"
        case name:
            return f"{error.operation_name}: {message or name}"
