"""The tables of docs/evaluation.md, from what is in results/evaluation.json. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Document = Mapping[str, Any]

_MARKED: Final = re.compile(
    r"(<!-- (\w+): written by `make eval`, do not edit -->\n).*?(<!-- /\2 -->)", re.DOTALL
)
_DATA_SETS: Final = {"tweets": "tweets", "bbc": "BBC News"}
_KINDS: Final = {
    "well_calibrated": "well calibrated (easy)",
    "overconfident": "overconfident",
    "shifted": "worse from halfway on",
    "rare_classes": "rare classes mostly wrong",
    "easy_start": "no error at first",
    "bbc_real": "real votes, BBC News",
    "tweets_real": "real votes, tweets",
}
_SOURCES: Final = {
    "pooled": "**labelmill** (LLM and student)",
    "student": "student alone",
    "logprobs": "LLM, log-probabilities",
    "permuted": "LLM, two orders",
    "samples": "LLM, five samples",
    "verbal": "LLM, in its own words",
}
_POLICIES: Final = {
    "people_alone": "people alone",
    "fixed_threshold": "LLM from a stated {setting:g} up, else people",
    "random_review": "random review of {setting:.0%}",
    "ours": "labelmill, threshold {setting:g}",
    "promised": "labelmill, promise of at most {setting:.1%} wrong",
}
_WHEN: Final = {"on arrival": "decisions_needed", "anew at the end": "decisions_needed_relabelled"}
"""When what people do not decide gets its final label."""
_ROUNDING: Final = 0.0005
"""What accuracies with three digits may differ by and still be the same."""


def filled(text: str, document: Document) -> str:
    """Return the text with every table between its markers written anew.

    Raises KeyError if a marker names no table.
    """
    return _MARKED.sub(lambda found: found[1] + TABLES[found[2]](document) + "\n" + found[3], text)


def summary(document: Document) -> str:
    """The claims, what was asked of each, and what was measured."""
    promise = document["promise"]
    rows = [
        [
            f"streams of {promise['streams']} whose promise was broken",
            f"at most {1 - promise['confidence']:.0%}",
            f"{promise['broken_share']:.1%}",
        ],
        [
            "accepted of an easy stream under a promise of 2%",
            "at least 60%",
            f"{promise['easy_coverage']:.0%}",
        ],
    ]
    for name, said in _DATA_SETS.items():
        rows.append(
            [
                f"calibration error with 300 decisions, {said}",
                "at most 0.05",
                f"{document['calibration'][name]:.3f}",
            ]
        )
    for when, key in _WHEN.items():
        rows += [
            [
                f"decisions saved against random review, {said} (labelled {when})",
                "at least 40%",
                f"{document['loop'][name][key]['saving']:.0%}",
            ]
            for name, said in _DATA_SETS.items()
        ]
    return _table(["what", "asked for", "measured"], rows)


def promise(document: Document) -> str:
    """How each kind of stream went."""
    rows = [
        [
            said,
            f"{each['streams']}",
            f"{each['broken_share']:.0%}",
            f"{each['error']:.2%}",
            f"{each['worst_error']:.2%}",
            f"{each['accepted']:.0%}",
            f"{each['audits']:,.0f}",
        ]
        for kind, said in _KINDS.items()
        for each in [document["promise"]["kinds"][kind]]
    ]
    heads = ["kind", "streams", "broken", "error, mean", "error, worst", "accepted", "audits a stream"]
    return _table(heads, rows)


def confidence(document: Document) -> str:
    """What the confidences of each source are worth."""
    rows = []
    for name, said in _DATA_SETS.items():
        for source, called in _SOURCES.items():
            each = document["confidence"][name]["sources"][source]
            people, truth = each["people"], each["truth"]
            rows.append(
                [
                    f"{said}: {called}",
                    f"{each['judged']:,}",
                    f"{truth['accuracy']:.3f}",
                    f"{people['before']['ece']:.3f}",
                    f"{people['after']['ece']:.3f}",
                    f"{each['ece_floor']:.3f}",
                    f"{truth['after']['ece']:.3f}",
                    f"{people['before']['brier']:.3f}",
                    f"{people['after']['brier']:.3f}",
                    f"{truth['after']['auroc']:.3f}",
                    f"{truth['after']['aurc']:.3f}",
                ]
            )
    heads = ["source", "judged on", "accuracy", "ECE before", "ECE after", "perfect", "ECE to the truth"]
    return _table([*heads, "Brier before", "Brier after", "AUROC", "AURC"], rows)


def decisions(document: Document) -> str:
    """What final labels are like under each policy."""
    rows = []
    for name, said in _DATA_SETS.items():
        found = document["loop"][name]
        courses = sorted(found["courses"], key=lambda course: list(_POLICIES).index(course["policy"]))
        rows += [
            [
                f"{said}: {_POLICIES[course['policy']].format(setting=course['setting'])}",
                f"{course['decisions']:,.0f}",
                f"{course['decisions'] / found['items']:.0%}",
                f"{course['accuracy']:.3f}",
                f"{course['accepted_error']:.1%}" if course["accepted"] else "–",
            ]
            for course in courses
        ]
    return _table(
        ["policy", "decisions of people", "of the items", "accuracy of final labels", "accepted and wrong"],
        rows,
    )


def needed(document: Document) -> str:
    """How many decisions each way to the target takes."""
    rows = [
        [
            said,
            when,
            f"{found['items']:,}",
            f"{found['target']:.3f}",
            *(f"{found[key][policy]:,}" for policy in ("people_alone", "random_review", "ours")),
            f"{found[key]['saving']:.0%}",
        ]
        for when, key in _WHEN.items()
        for name, said in _DATA_SETS.items()
        for found in [document["loop"][name]]
    ]
    heads = ["data set", "labelled", "items", "target", "people alone", "random review", "labelmill", "saved"]
    return _table(heads, rows)


def economics(document: Document) -> str:
    """What final labels cost."""
    rows = [
        [
            said,
            f"{row['items']:,}",
            row["policy"],
            row["model"],
            f"${row['human_usd']:.2f}",
            f"{row['accuracy']:.3f}{' (below)' if row['accuracy'] < target - _ROUNDING else ''}",
            f"{row['decisions']:,}",
            f"${row['llm_alone_usd']:,.2f}",
            f"${row['ours_usd']:,.0f}",
            f"${row['people_alone_usd']:,.0f}",
            f"{row['times_cheaper']:.1f}",
        ]
        for name, said in _DATA_SETS.items()
        for target in [document["economics"][name]["target"]]
        for row in document["economics"][name]["rows"]
    ]
    heads = [
        "data set",
        "items",
        "policy",
        "model",
        "a decision",
        "accuracy",
        "decisions",
        "LLM",
        "labelmill",
        "people alone",
    ]
    return _table([*heads, "times cheaper"], rows)


def injection(document: Document) -> str:
    """What hostile items did to a real small model."""
    model, tweets = document["injection"]["smollm2"], document["injection"]["tweets"]
    rows = [
        ["hostile items", f"{model['attacks']}"],
        ["changed the model's label to the one they were after", f"{model['changed']}"],
        ["of these not marked as suspicious", f"{model['changed_and_not_marked']}"],
        ["accepted under the default policy", f"{model['accepted_default_policy']}"],
        ["accepted at any confidence", f"{model['accepted_at_any_confidence']}"],
        [
            f"harmless tweets marked, of {tweets['tweets']:,}",
            f"{tweets['raised'] + tweets['marked_by_second_look']}",
        ],
    ]
    return _table(["", "count"], rows)


def memorised(document: Document) -> str:
    """Whether the model continues the texts of the data sets as if it had learned them by heart."""
    rows = [
        [
            said,
            f"{each['items']}",
            f"{each['recalled']}",
            f"{each['recalled_by_chance']}",
            f"{each['mean_run']:.2f}",
            f"{each['mean_run_by_chance']:.2f}",
            f"{each['p_value']:.2f}",
        ]
        for name, said in _DATA_SETS.items()
        for each in [document["memorised"][name]]
    ]
    heads = ["data set", "texts", "recalled", "by chance", "words in a row", "by chance", "p"]
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES: Final[Mapping[str, Callable[[Document], str]]] = {
    "summary": summary,
    "promise": promise,
    "confidence": confidence,
    "needed": needed,
    "decisions": decisions,
    "economics": economics,
    "injection": injection,
    "memorised": memorised,
}
"""By the name in the marker."""
