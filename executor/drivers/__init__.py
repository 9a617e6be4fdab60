"""One file for each backend, one line in the registry for each file."""
