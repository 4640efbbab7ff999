"""The ledger: what Kafka tells about items, routes and labels, written once."""
