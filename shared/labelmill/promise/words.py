"""The promise in words: what is bounded, relative to what, how surely and on which evidence."""


def share(value: float) -> str:
    """Return a share as a percentage of three significant digits, or of more where they would say 100%."""
    told = f"{100.0 * value:.3g}"
    return f"{told if told != '100' or value >= 1.0 else f'{100.0 * value:.10g}'}%"


def truth(raters: int, rater_error: float) -> str:
    """Return what the error is relative to."""
    if rater_error > 0.0:
        return f"are wrong, allowing for reviewers who err in at least {share(rater_error)} of cases"
    if raters > 1:
        return f"differ from what most of {raters} people would say"
    return "differ from what one person would say"


def promise(
    target: float, confidence: float, *, audits: int, errors: int, raters: int = 1, rater_error: float = 0.0
) -> str:
    """Return the sentence of a promise that holds."""
    return (
        f"At most {share(target)} of accepted labels {truth(raters, rater_error)} "
        f"({share(confidence)} confidence, over all looks; {_counted(audits, errors)})."
    )


def gathering(missing: int | None, at_best: int, *, audits: int, errors: int) -> str:
    """Return the sentence of a promise that still lacks evidence."""
    if missing is None:
        lack = f"out of reach at the present error rate, {at_best:,} more without an error would do"
    else:
        lack = f"about {missing:,} more are needed at the present error rate"
    return f"Nothing is accepted yet: {_counted(audits, errors)} so far; {lack}."


def untrained(audits: int) -> str:
    """Return the sentence before the first release: what people decide until then is not judged yet."""
    return f"Nothing is accepted before the first release; people have decided {audits:,} audits for it."


def alarm(observed: float, target: float, missing: str) -> str:
    """Return the sentence after an alarm. `observed`: the machine's error among the audits that raised it."""
    return (
        f"Acceptance was closed: {share(observed)} of the audited labels were wrong where at most "
        f"{share(target)} was promised. {missing}"
    )


def _counted(audits: int, errors: int) -> str:
    return f"{audits:,} audit{'' if audits == 1 else 's'}, {errors:,} error{'' if errors == 1 else 's'}"
