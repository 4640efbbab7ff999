"""The command line: run labelmill, feed it, watch it, take the labels out, mend what failed."""
