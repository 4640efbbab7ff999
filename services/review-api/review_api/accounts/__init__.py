"""Accounts: who may sign in, by password or token, and what they may do."""
