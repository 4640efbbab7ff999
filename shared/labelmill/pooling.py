"""From the votes on an item to one opinion. Pure: the autolabeler and the trainer both pool with it."""
