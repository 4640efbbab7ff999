"""How far raters, people or machines, agree on labels, beyond what chance would bring. Numpy only.

Every coefficient rests on ratings counted by item (`Ratings`) and returns a `Figure`: the value with its 95%
interval, or the reason in words why there is none. What each means and when to use which is told in
docs/operations.md.
"""

from labelmill.agreement.coefficients import ac1, alpha, cohen, fleiss, percent, specific
from labelmill.agreement.figures import LEAST_ITEMS, Figure
from labelmill.agreement.ratings import Ratings, tabulate

__all__ = [
    "LEAST_ITEMS",
    "Figure",
    "Ratings",
    "ac1",
    "alpha",
    "cohen",
    "fleiss",
    "percent",
    "specific",
    "tabulate",
]
