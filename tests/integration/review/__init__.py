"""review-api as a process on a real Kafka and PostgreSQL."""
