"""`python -m labelmill_cli`: the same as the `labelmill` command."""

from labelmill_cli.app import run

if __name__ == "__main__":
    run()
