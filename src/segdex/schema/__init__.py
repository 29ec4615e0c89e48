"""What a business declares: structs, loading, checking of names and types. Knows nothing of data."""
