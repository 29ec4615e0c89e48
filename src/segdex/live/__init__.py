"""Generations that follow one another: batches applied, the clock advanced, what changed told and kept."""
