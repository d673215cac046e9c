"""What moto does for every answer and each of its members, faster and with the same outcome; ``moto_once`` gives it to moto."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from inspect import isfunction
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from moto.core.serialize import AttributePickerContext, ResponseSerializer, XFormedAttributePicker
from moto.core.utils import MISSING
from moto.core.utils import get_value as value_of

_get_value = ResponseSerializer.get_value
_get_possible_keys = XFormedAttributePicker.get_possible_keys
_possible_keys: dict[tuple[Any, ...], tuple[str, ...]] = {}


@dataclass
class Methods:
    """The names of what a service answers to, of which moto looks up one."""

    service: type

    def __contains__(self, name: str) -> bool:
        return isfunction(getattr(self.service, name, None))


def get_value(self: ResponseSerializer, value: Any, key: str, shape: Any) -> Any:
    """What an object has of a member, ``None`` if nothing."""
    picker = self._value_picker
    transformed = getattr(picker, "response_transformers", ())
    if not isinstance(picker, XFormedAttributePicker) or (transformed and key.endswith(_last(tuple(transformed)))):
        return _get_value(self, value, key, shape)
    for name in _names(picker, value, key, shape):
        if (found := value_of(value, name, MISSING)) is not MISSING:
            return found
    return None


@cache
def _last(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(path.rpartition(".")[2] for path in paths)


def _names(picker: XFormedAttributePicker, value: Any, key: str, shape: Any) -> tuple[str, ...]:
    """Under which an object may have a member. They depend on its type, and on what AWS has of the member."""
    known = tuple(picker.alias_providers), key, shape, getattr(shape, "parent", None), type(value)
    if known not in _possible_keys:
        context = AttributePickerContext(obj=value, key=key, shape=shape)
        _possible_keys[known] = tuple(dict.fromkeys(_get_possible_keys(picker, context)))
    return _possible_keys[known]


def possible_keys(self: XFormedAttributePicker, context: Any) -> tuple[str, ...]:
    return _names(self, context.obj, context.key, context.shape)


def unparse(document: dict[str, Any], *, full_document: bool, **_form: bool) -> str:
    """As ``xmltodict.unparse``, for what moto passes to it: valid names, lists, no comments. No element has a short form."""
    parts = ['<?xml version="1.0" encoding="utf-8"?>\n'] if full_document else []
    _write(parts, document)
    return "".join(parts)


def _write(parts: list[str], members: dict[str, Any]) -> None:
    for name, value in members.items():
        if name.startswith(("@", "#")):
            continue
        for it in value if isinstance(value, list | tuple) else (value,):
            if isinstance(it, dict):
                attributes = [f" {key[1:]}={quoteattr(_text(its))}" for key, its in it.items() if key.startswith("@")]
                parts.append(f"<{name}{''.join(attributes)}>")
                _write(parts, it)
                parts.append(f"{escape(_text(it.get('#text')))}</{name}>")
            else:
                parts.append(f"<{name}>{escape(_text(it))}</{name}>")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
