"""The demo: real tweets through the whole system, people replayed from recorded ratings, and a report."""
