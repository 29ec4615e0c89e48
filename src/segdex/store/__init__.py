"""Snapshot files and the one door to the operating system."""
