"""What people say about items beside their labels: flags and comments."""
