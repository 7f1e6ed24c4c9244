"""All devices, from a desk or CI: the `fleet` command. Never Docker."""
