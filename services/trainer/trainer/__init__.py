"""The trainer: from people's decisions to datasets, candidates and releases."""
