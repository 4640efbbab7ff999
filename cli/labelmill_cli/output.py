"""What the commands print: data on standard output, everything else on standard error."""

from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

# No markup: ids, titles and details come from outside, and "[/x]" would end a style that never began.
out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False)


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table in the one style of all commands."""
    made = Table(
        title=title, title_justify="left", header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def local_time(milliseconds: int) -> str:
    """Return a time of day in the local zone, e.g. `2025-01-31 12:00:00`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def usd(amount: float) -> str:
    """Return an amount of US dollars, with more digits where it is small."""
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def data_size(size: int) -> str:
    """Return a size in bytes for people, e.g. `1.5 KB`."""
    amount = float(size)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
