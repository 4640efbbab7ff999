"""Examples in the guideline: where they go, and that no text acts as Markdown."""

from review_api.guidelines.drafting import Example, with_examples

ONE = Example("thanks, I guess", "negative", "The thanks is ironic.")
WRITTEN = "- “thanks, I guess” is **negative**. The thanks is ironic."


def test_a_guideline_without_examples_gets_a_section_of_them() -> None:
    assert with_examples("Say which.\n", [ONE]) == f"Say which.\n\n## Examples\n\n{WRITTEN}\n"
    assert with_examples("", [ONE]) == f"## Examples\n\n{WRITTEN}\n"
    assert with_examples("Say which.", []) == "Say which."


def test_examples_go_to_the_end_of_the_section_there_is() -> None:
    guideline = "# All\n\n### Examples\n\n- an old one\n\n## After\n\nText.\n"
    found = with_examples(guideline, [ONE, ONE])
    assert found == f"# All\n\n### Examples\n\n- an old one\n{WRITTEN}\n{WRITTEN}\n\n## After\n\nText.\n"


def test_a_text_stays_a_text() -> None:
    evil = Example("# <img src=x onerror=alert(1)>\n\n[a](javascript:x) `b` **c**", "a*b", "")
    line = with_examples("", [evil]).splitlines()[-1]
    assert "\n" not in line
    assert r"\<img src=x onerror=alert(1)\>" in line
    assert r"\[a\](javascript:x)" in line
    assert line.endswith(r"is **a\*b**.")


def test_a_long_text_is_cut() -> None:
    line = with_examples("", [Example("w" * 5000, "a", "")]).splitlines()[-1]
    assert len(line) < 700
    assert "…" in line
