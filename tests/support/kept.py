"""moto's account as it was left once, brought back: a copy takes a tenth of the time of making it all again."""

from __future__ import annotations

import atexit
import copy
import copyreg
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from moto.core.base_backend import BackendDict
from moto.s3.models import FakeKey, s3_backends
from moto.ssm.models import ParameterDict


def _parts(parameters: Any) -> Any:
    """Of what else would be copied as what it derives from."""
    arguments = parameters.account_id, parameters.region_name
    return ParameterDict, arguments, vars(parameters), None, iter(dict.items(parameters))


copyreg.pickle(ParameterDict, _parts)


def _with_values(self: WeakValueDictionary[Any, Any], memo: dict[int, Any]) -> WeakValueDictionary[Any, Any]:
    """Python's own copy has the values of the first, which go with the account that they are of."""
    return WeakValueDictionary({key: copy.deepcopy(value, memo) for key, value in self.items()})


WeakValueDictionary.__deepcopy__ = _with_values  # type: ignore[method-assign, assignment]  # moto's functions by ARN are in one


def keep() -> Callable[[], None]:
    """What brings the account back as it is now, as often as it is called."""
    owners = dict(s3_backends.bucket_accounts)
    closed = len(FakeKey.instances_tracked)
    kept = _copied({service: dict(service) for service in BackendDict._instances})
    # Whose content moto would close when it starts anew.
    del FakeKey.instances_tracked[closed:]
    # They import something when they go.
    atexit.register(kept.clear)

    def bring_back() -> None:
        BackendDict.reset()
        for service, accounts in _copied(kept).items():
            service.update(accounts)
            BackendDict._instances.append(service)
        s3_backends.bucket_accounts.update(owners)

    return bring_back


def _copied(services: dict[Any, Any]) -> dict[Any, Any]:
    """All at once, so that what services share they still share. The services themselves are moto's."""
    return copy.deepcopy(services, {id(service): service for service in services})
