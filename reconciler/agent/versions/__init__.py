"""Versions of the reconciler itself, and how one follows another."""
