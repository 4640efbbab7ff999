"""Items: taking them in, and telling all that happened to them."""
