"""The reviewers' page and the dashboard: files that the browser runs, and the routes that serve them."""
