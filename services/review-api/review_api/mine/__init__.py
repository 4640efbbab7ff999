"""What one person has done, for that person alone."""
