"""The page People tells every act that can be recorded in words of its own."""

import re
from pathlib import Path
from typing import get_args

import review_api.web
from review_api.accounts.audit import Act

ACTS_JS = Path(review_api.web.__file__).parent / "static" / "acts.js"
WORDED = re.compile(r'\["([a-z_]+\.[a-z_]+)", "([^"]+)"')


def test_every_act_has_words_of_its_own() -> None:
    # The type checker sees to it that nothing else is recorded.
    worded = WORDED.findall(ACTS_JS.read_text(encoding="utf-8"))
    assert sorted(act for act, _ in worded) == sorted(get_args(Act))
    assert len({words for _, words in worded}) == len(worded)
