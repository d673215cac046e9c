"""Writes the CloudFormation templates of a private PyPI on AWS, deploys them, and manages what is deployed."""

__version__ = "2.0.0"
