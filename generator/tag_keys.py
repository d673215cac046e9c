"""Keys of the tags that every resource has, with which the operator's own may not collide."""

KEYS = ("Name", "account", "created_by", "environment", "service")
