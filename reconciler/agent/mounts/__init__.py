"""What services find in their containers by files: configs, secrets, locks."""
