"""Fixtures of the tests on real parts: one private Kafka and one private PostgreSQL for the run."""

pytest_plugins = ["labelmill_local.pytest_plugin"]
