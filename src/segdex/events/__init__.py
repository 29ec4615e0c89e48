"""The event store: one CSR a stream, from customers to transactions to rows."""
