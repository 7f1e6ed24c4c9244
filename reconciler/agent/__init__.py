"""One device: the loop, the Docker Engine, the state on disk, the `reconciler` command."""
