"""The task definition carries the program of generator/container/, all of it and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from deployments import Editions, everything

CONTAINER = Path(__file__).parents[2] / "generator" / "container"
TEMPLATES = Path(__file__).parents[2] / "templates"
MOST_BYTES = 64 * 1024
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html"""


class _Loader(yaml.SafeLoader):
    """Reads a template's intrinsic functions as whatever stands behind their tag."""


def _argument(loader: _Loader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_yaml_map(node)


_Loader.add_multi_constructor("!", _argument)


@pytest.mark.parametrize("name", ["compute.yaml", "pypiserver-single.yaml"])
def test_committed_template_carries_the_files(name: str) -> None:
    template = yaml.load((TEMPLATES / name).read_text(), _Loader)
    (container,) = template["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    assert container["EntryPoint"] == ["python3", "-c", (CONTAINER / "boot.py").read_text()]
    carried = dict(zip(container["Command"][::2], container["Command"][1::2], strict=True))
    assert carried == {path.name: path.read_text() for path in CONTAINER.glob("*.py") if path.name != "boot.py"}


def test_task_definition_fits_ecs_with_every_option_given(editions: Editions) -> None:
    task = editions.nested(everything()).resources["TaskDefinition"]["Properties"]
    assert len(json.dumps(task).encode()) < MOST_BYTES
