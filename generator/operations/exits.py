"""How a command ends: the exit codes, and the exceptions that stand for them."""

from __future__ import annotations

DONE = 0
"""The account is as the command says, or there was nothing to do."""
FAILED = 1
"""AWS, the network or the templates caused an error, perhaps after something was changed; ``status``: something is unhealthy."""
REFUSED = 2
"""The command or AWS's configuration here was wrong, or it would have done harm: nothing was changed."""
DECLINED = 3
"""The operator answered No: nothing was changed."""
NO_PACKAGES = 4
"""Only ``import``: complete, except for what is not a package, which pip and uv would not install either."""
INTERRUPTED = 130
"""Ctrl-C. What CloudFormation or AWS Backup has started continues."""


class Problem(Exception):
    """What is wrong, where, and what to do, one line for each thing; it changed nothing: REFUSED."""


class Declined(Exception):
    """The operator answered No: DECLINED."""
