"""Tables in: files and Arrow streams, keys to dense ids, typed columns, every bad row named."""
