"""The web console. Empty in this version: `fleet status` is the view."""
