"""Tasks: review work under fenced leases, and the decisions that leave through the outbox."""
