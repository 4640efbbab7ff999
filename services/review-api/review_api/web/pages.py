"""The pages there are. A page NAME is drawn by `static/NAME.js`, with the style sheets it names."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class PageSpec:
    """A page: where it lies, what the browser calls it, and its style sheets, without their suffix."""

    name: str
    path: str
    title: str
    styles: tuple[str, ...]


PAGES: Final = (
    PageSpec("review", "/", "Review", ("review", "training", "panels", "care")),
    PageSpec("work", "/work", "My work", ("work", "care")),
    PageSpec("guideline", "/guideline", "Guideline", ("panels", "guideline", "care")),
    PageSpec("queue", "/queue", "Queue", ("dashboard", "queue", "care")),
    PageSpec("item", "/item", "Items", ("item", "care")),
    PageSpec(
        "dashboard", "/dashboard", "Dashboard", ("vendor/uplot", "dashboard", "promise", "agreement", "care")
    ),
    PageSpec(
        "quality", "/quality", "Quality", ("dashboard", "promise", "agreement", "accuracy", "quality", "care")
    ),
    PageSpec("people", "/people", "People", ("people",)),
    PageSpec("account", "/account", "Your account", ("people",)),
    PageSpec("invitation", "/invitation", "Invitation", ("people",)),
    PageSpec("me", "/me", "My accuracy and pay", ("me", "accuracy")),
)
