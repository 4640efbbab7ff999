"""The local stack: a private Kafka, PostgreSQL and LLM, and the labelmill services, as child processes."""
