"""Runtime of the services: Kafka, PostgreSQL, HTTP, metrics, health, logs and traces."""
