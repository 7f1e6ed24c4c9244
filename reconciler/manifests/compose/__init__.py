"""The Compose Specification: an app's files to values, and values to a Compose file again. Pure."""
