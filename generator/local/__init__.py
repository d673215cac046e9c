"""``pypiserver-aws local``: the product on this machine, until Ctrl-C."""
