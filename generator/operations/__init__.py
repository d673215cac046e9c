"""What is done in an AWS account: publish, deploy, watch, delete, read."""
