"""Columns of typed values with missing ones, time, and what comparing values means."""
