"""What is done to the packages of a server that runs, over HTTP as its clients do it."""
