"""router: decides for every scored label whether it is accepted or goes to people."""
