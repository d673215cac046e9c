"""As ``once``, of the services that a deployment on moto needs."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import moto.acm.models
import moto.core.responses
import moto.core.serialize
import moto.kms.utils
import moto.ssm.models
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from moto.acm.models import CertBundle
from moto.core.serialize import ResponseSerializer, XFormedAttributePicker
from moto.ssm.utils import convert_to_params
from moto.utilities.utils import load_resource
from moto_answers import Methods, get_value, possible_keys, unparse


@cache
def _private_key(pem: bytes) -> Any:
    return load_pem_private_key(pem, None)


def _recommended(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Nobody looks at ECS's other images, of which there are thousands."""
    return [it for it in convert_to_params(tree) if "/optimized-ami/" not in it["Name"] or "/recommended" in it["Name"]]


# One key for all certificates and keys, with which nothing is signed that anybody verifies.
_RSA = SimpleNamespace(generate_private_key=cache(rsa.generate_private_key))
_PRIMITIVES = SimpleNamespace(asymmetric=SimpleNamespace(rsa=_RSA))

for module, name, remembered in (
    (moto.acm.models, "cryptography", SimpleNamespace(x509=x509, hazmat=SimpleNamespace(primitives=_PRIMITIVES))),
    (CertBundle, "validate_pk", lambda self: _private_key(self.key)),
    (moto.kms.utils, "rsa", _RSA),
    (moto.ssm.models, "load_resource", cache(load_resource)),
    (moto.ssm.models, "convert_to_params", _recommended),
    # For each request.
    (moto.core.responses, "method_names_from_class", Methods),
    # For each member of each answer.
    (moto.core.serialize, "xmltodict", SimpleNamespace(unparse=unparse)),
    (ResponseSerializer, "get_value", get_value),
    (XFormedAttributePicker, "get_possible_keys", possible_keys),
):
    setattr(module, name, remembered)
