"""The sub-commands, one module a subject; each translates options into calls and results into text."""
