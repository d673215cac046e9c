"""What one process does once, and the tests' process would do for each command and each account: imported, it is remembered.

Nothing here depends on more than its arguments. A parsed template is copied for each reader, as moto changes what it
gets.
"""

from __future__ import annotations

import os
import pickle
from functools import cache
from typing import IO, Any

import botocore.session  # type: ignore[import-untyped] # botocore has no types
import moto.backends
import moto.core.utils
import moto.ssm.models
import typer.main
import yaml
from botocore.client import ClientCreator  # type: ignore[import-untyped] # see above
from moto.ssm.utils import convert_to_params
from moto.utilities.utils import load_resource
from typer.utils import get_params_from_function

_load = yaml.load
_create_client_class = ClientCreator._create_client_class
_client_classes: dict[str, type] = {}


@cache
def _loaded(text: str, loader: Any) -> bytes:
    return pickle.dumps(_load(text, loader))


def _copied(stream: str | IO[str], Loader: Any) -> Any:
    if not issubclass(Loader, yaml.CSafeLoader):
        return _load(stream, Loader)
    return pickle.loads(_loaded(stream if isinstance(stream, str) else stream.read(), Loader))


def _client_class(creator: ClientCreator, service: str, model: Any) -> type:
    if service not in _client_classes:
        _client_classes[service] = _create_client_class(creator, service, model)
    return _client_classes[service]


def _recommended(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [it for it in convert_to_params(tree) if "/optimized-ami/" not in it["Name"] or "/recommended" in it["Name"]]


# Of its folders, for each request.
_SERVICES = tuple(moto.backends.list_of_moto_modules())

for module, name, remembered in (
    (yaml, "load", _copied),
    (ClientCreator, "_create_client_class", _client_class),
    # The descriptions of all services.
    (botocore.session, "create_loader", cache(botocore.session.create_loader)),
    (moto.core.utils, "create_loader", cache(botocore.session.create_loader)),
    (moto.backends, "list_of_moto_modules", lambda: _SERVICES),
    # Of the annotations of all commands and options.
    (typer.main, "get_params_from_function", cache(get_params_from_function)),
    # Nobody looks at moto's thousands of images, but at the recommended ones among those of ECS.
    (moto.ssm.models, "load_resource", cache(load_resource)),
    (moto.ssm.models, "convert_to_params", _recommended),
):
    setattr(module, name, remembered)
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
