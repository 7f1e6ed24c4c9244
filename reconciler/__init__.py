"""Keeps devices equal to what a signed Git repository says."""

__version__ = "0.1.0"
