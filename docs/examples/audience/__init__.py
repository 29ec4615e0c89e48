"""An audience service: one process writes an index, others answer from it over HTTP."""
