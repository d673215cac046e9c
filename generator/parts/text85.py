"""Bytes as text of the base-85 alphabet that no template language reads anything into.

Python's own has ``$``, ``{`` and ``}``, of which ``${Name}`` and ``{{resolve:…}}`` are made, and ``<``, ``>`` and
``&``, for which some writers of JSON put six characters each. Neither has quotes, backslashes or spaces.
https://docs.python.org/3/library/base64.html#base64.b85encode
"""

from __future__ import annotations

import base64

_PYTHON, _OURS = "$&<>{}", ",./:[]"


def encode(data: bytes) -> str:
    return base64.b85encode(data).decode().translate(str.maketrans(_PYTHON, _OURS))


def decode(text: str) -> bytes:
    """What ``encode`` was given; white space in between is passed over. Raises ValueError for other text."""
    return base64.b85decode("".join(text.split()).translate(str.maketrans(_OURS, _PYTHON)))
