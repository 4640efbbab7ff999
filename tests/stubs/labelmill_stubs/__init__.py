"""Stand-ins for the paid APIs that labelmill calls, for tests, chaos runs and benchmarks."""
