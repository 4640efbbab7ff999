"""review-api: the ledger of items and labels, the reviewers' work, and the HTTP side of labelmill."""
