"""How well the work is done: how far people agree with each other and with the machine."""
