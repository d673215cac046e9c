"""What one process does once, and the tests' process would do for each command and each account: imported, it is remembered.

Nothing here depends on more than its arguments. A parsed template is copied for each reader, as moto changes what it
gets.
"""

from __future__ import annotations

import inspect
import os
import pickle
from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType, MethodType
from typing import IO, Any

import botocore.endpoint_provider  # type: ignore[import-untyped] # botocore has no types
import botocore.hooks  # type: ignore[import-untyped] # see above
import botocore.parsers  # type: ignore[import-untyped] # see above
import botocore.session  # type: ignore[import-untyped] # see above
import botocore.useragent  # type: ignore[import-untyped] # see above
import moto.backends
import moto.core.utils
import typer.main
import yaml
from botocore.client import ClientCreator  # type: ignore[import-untyped] # see above
from typer.utils import get_params_from_function

from generator.operations.invocation import called_as

_load = yaml.load
_create_client_class = ClientCreator._create_client_class
_load_service_model = ClientCreator._load_service_model
_service_models: dict[str, Any] = {}
_client_classes: dict[str, type] = {}
_accepts_kwargs = botocore.hooks.accepts_kwargs
_alias_event_name = botocore.hooks.EventAliaser._alias_event_name
_event_names: dict[str, str] = {}
_get_command = typer.main.get_command
_commands: dict[tuple[object, ...], Any] = {}
_RuleSet = botocore.endpoint_provider.RuleSet
_rule_sets: dict[int, tuple[object, Any]] = {}


@cache
def _loaded(text: str | bytes, loader: Any) -> bytes:
    return pickle.dumps(_load(text, loader))


def _copied(stream: str | bytes | IO[str], Loader: Any) -> Any:
    if not issubclass(Loader, yaml.CSafeLoader):
        return _load(stream, Loader)
    return pickle.loads(_loaded(stream.read() if hasattr(stream, "read") else stream, Loader))


def _service_model(creator: ClientCreator, service: str, api_version: str | None = None) -> Any:
    """Whose operations and shapes are looked up once, where each client would do so again."""
    if api_version:
        return _load_service_model(creator, service, api_version)
    if service not in _service_models:
        _service_models[service] = _load_service_model(creator, service)
    return _service_models[service]


def _client_class(creator: ClientCreator, service: str, model: Any) -> type:
    if service not in _client_classes:
        _client_classes[service] = _create_client_class(creator, service, model)
    return _client_classes[service]


def _rule_set(**data: Any) -> Any:
    """Of endpoints, where a client's service reads its own; the loader keeps the data, and so does this."""
    rules = data["rules"]
    if id(rules) not in _rule_sets:
        _rule_sets[id(rules)] = rules, _RuleSet(**data)
    return _rule_sets[id(rules)][1]


def _accepts(function: Callable[..., object]) -> bool:
    if isinstance(function, FunctionType | MethodType):
        return bool(function.__code__.co_flags & inspect.CO_VARKEYWORDS)
    return bool(_accepts_kwargs(function))


def _event_name(aliaser: Any, name: str) -> str:
    """Of the aliases, of which there is one list."""
    if name not in _event_names:
        _event_names[name] = _alias_event_name(aliaser, name)
    return _event_names[name]


def _command(app: typer.Typer) -> Any:
    """All commands and options, whose help says how they were called."""
    known = app, app.rich_markup_mode, called_as(), *_functions(app)
    if known not in _commands:
        _commands[known] = _get_command(app)
    return _commands[known]


def _functions(app: typer.Typer) -> Iterator[object]:
    """Of all its commands: some tests add one."""
    yield from (it.callback for it in app.registered_commands)
    for group in app.registered_groups:
        if group.typer_instance:
            yield from _functions(group.typer_instance)


def _copied_handlers(handlers: Any) -> Any:
    """Of an event; each client has a copy of those of hundreds."""
    return botocore.hooks.NodeList(handlers.first[:], handlers.middle[:], handlers.last[:])


# Of its folders, for each request.
_SERVICES = tuple(moto.backends.list_of_moto_modules())

for module, name, remembered in (
    (yaml, "load", _copied),
    (ClientCreator, "_load_service_model", _service_model),
    (ClientCreator, "_create_client_class", _client_class),
    (botocore.endpoint_provider, "RuleSet", _rule_set),
    (botocore.hooks, "accepts_kwargs", _accepts),
    (botocore.hooks.EventAliaser, "_alias_event_name", _event_name),
    (botocore.hooks.NodeList, "__copy__", _copied_handlers),
    # Of each event of a stack.
    (botocore.parsers, "DEFAULT_TIMESTAMP_PARSER", cache(botocore.parsers.parse_timestamp)),
    # Character by character, a dozen words for each request.
    (
        botocore.useragent,
        "sanitize_user_agent_string_component",
        cache(botocore.useragent.sanitize_user_agent_string_component),
    ),
    # The descriptions of all services.
    (botocore.session, "create_loader", cache(botocore.session.create_loader)),
    (moto.core.utils, "create_loader", cache(botocore.session.create_loader)),
    (moto.backends, "list_of_moto_modules", lambda: _SERVICES),
    (typer.main, "get_command", _command),
    # Of the annotations of all commands and options.
    (typer.main, "get_params_from_function", cache(get_params_from_function)),
):
    setattr(module, name, remembered)
# Nobody looks at moto's thousands of images.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
