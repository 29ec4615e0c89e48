"""Kernels from events to one value a customer, one file a family."""
