"""Projects: their definitions, versions and guidelines, and the releases in force."""
