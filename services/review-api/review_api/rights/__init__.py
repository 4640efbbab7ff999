"""Data rights: erasing items, everywhere, for good."""
