"""The machine that the agent runs on: its disk, its links, its service manager."""
