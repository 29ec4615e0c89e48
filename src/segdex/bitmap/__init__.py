"""Predicates: sets of customers as Roaring bitmaps."""
