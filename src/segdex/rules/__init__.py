"""A rule as an inert tree, and its text, JSON and Python forms."""
