"""What a device keeps over a power cut."""
