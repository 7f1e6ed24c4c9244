"""What the agent wants of any Docker Engine: a seam, pulls beside the work, and news."""
