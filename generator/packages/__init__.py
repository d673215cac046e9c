"""What is done to the packages of a running server, over HTTP as its clients do it."""
