"""Guidelines: versions and their differences, campaigns after a change, and edge cases."""
