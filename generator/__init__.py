"""Writes the CloudFormation templates of a private PyPI on AWS."""
