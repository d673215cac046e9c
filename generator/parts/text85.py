"""Bytes as text in a base-85 alphabet that no template language interprets.

Python's own has ``$``, ``{`` and ``}``, which make up ``${Name}`` and ``{{resolve:…}}``, and ``<``, ``>`` and
``&``, for which some JSON writers use six characters each. Neither has quotes, backslashes or spaces.
https://docs.python.org/3/library/base64.html#base64.b85encode
"""

from __future__ import annotations

import base64

_PYTHON, _OURS = "$&<>{}", ",./:[]"


def encode(data: bytes) -> str:
    return base64.b85encode(data).decode().translate(str.maketrans(_PYTHON, _OURS))


def decode(text: str) -> bytes:
    """The input of ``encode``; white space in between is ignored. Raises ValueError for other text."""
    return base64.b85decode("".join(text.split()).translate(str.maketrans(_OURS, _PYTHON)))
