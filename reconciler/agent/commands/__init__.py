"""The commands of `reconciler`, and their options."""
