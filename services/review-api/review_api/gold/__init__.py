"""Gold: items whose true label is known, and what people's answers to them say of these people."""
