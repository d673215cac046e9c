"""The console form of every template that somebody deploys by hand."""

from __future__ import annotations

from generator.catalog.deployer import deployer
from generator.catalog.template import catalog
from generator.parent import templates


def test_every_parameter_has_its_place_and_label() -> None:
    built = templates()
    built |= {**catalog(built["pypiserver-single.yaml"]), **deployer(built)}
    for name in (
        "pypiserver.yaml",
        "pypiserver-single.yaml",
        "ci-access.yaml",
        "deployer.yaml",
        "dns.yaml",
        "network.yaml",
        "service-catalog.yaml",
    ):
        template = built[name].to_dict()
        form = template["Metadata"]["AWS::CloudFormation::Interface"]
        shown = [parameter for group in form["ParameterGroups"] for parameter in group["Parameters"]]
        assert shown == list(template["Parameters"]), f"{name}: every parameter once, in the form's order"
        assert form["ParameterLabels"].keys() == template["Parameters"].keys(), name
