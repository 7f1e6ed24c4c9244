"""The agent's own settings, and the key of the device."""
