"""A rule's message with its placeholders filled in; what has no value goes, and takes its punctuation along."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache, reduce

FIRST_NAME, DISCOUNT, REMAINING, PRODUCT_NAME = "firstName", "discount", "remaining", "productName"
PLACEHOLDERS = (FIRST_NAME, DISCOUNT, REMAINING, PRODUCT_NAME)
# messages of about 1 KB at most: one offer says the same in cart after cart
KEPT = 4_096
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}(\s?%)?")
# stands where a placeholder had no value; Postgres holds no NUL, so no text has one
_GAP = "\0"
_ENDS, _PAUSES, _SPACES = ".!?…", ",;:–—-", " \t\r\n\u00a0"
# what only made sense beside the value: brackets around it, quotes, a currency's sign before it, the possessive behind it
_BELONGING = re.compile(
    rf"\([^()]*{_GAP}[^()]*\)|\[[^\[\]]*{_GAP}[^\[\]]*\]|([\"'])\s*{_GAP}\s*\1|[“„«‘]\s*{_GAP}\s*[”“»’]|[$€£¥]\s?{_GAP}|{_GAP}['’]s\b"
)
_NOTHING_SAID = re.compile(rf"[\s{_ENDS}¿¡{_PAUSES}]*")


def fill(template: str, values: Mapping[str, str | None]) -> str:
    """The message, values by placeholder name; a name that is unknown and a value that is None or blank leave no trace.

    Without a value a placeholder takes along the signs that belonged to it, and the next letter begins the sentence that it
    began: "{{firstName}}, save" is "Save", "Hi {{firstName}}, save" is "Hi, save". Values are not searched for placeholders.
    """
    return _fill(template, tuple([(name, value) for name, value in values.items() if value and name in PLACEHOLDERS]))


@lru_cache(KEPT)
def _fill(template: str, values: tuple[tuple[str, str], ...]) -> str:
    known = {name: " ".join(value.split()) for name, value in values}
    # a gap of the template's own, or of a value, is none of ours
    filled = _PLACEHOLDER.sub(lambda found: _filled(found, known), template.replace(_GAP, "").strip())
    return _tidy(filled) if _GAP in filled else filled


def placeholders(template: str) -> list[str]:
    """The names of a template's placeholders, known or not, each once, in their order."""
    return list(dict.fromkeys(name for name, _ in _PLACEHOLDER.findall(template)))


def _filled(found: re.Match[str], known: Mapping[str, str]) -> str:
    """The value, and the percent sign behind the placeholder unless the value has its own."""
    value, percent = known.get(found[1], "").replace(_GAP, ""), found[2] or ""
    if not value:
        return _GAP
    return value if value.endswith("%") else value + percent


def _tidy(text: str) -> str:
    text = _BELONGING.sub(_GAP, text)
    joined = reduce(_join, text.split(_GAP))
    if text.rstrip(_SPACES).endswith(_GAP):
        joined = joined.rstrip(_SPACES + _PAUSES)
    return "" if _NOTHING_SAID.fullmatch(joined) else joined.strip()


def _join(left: str, right: str) -> str:
    """The text before a missing value and the text behind it, as one."""
    before, behind = left.rstrip(_SPACES), right.lstrip(_SPACES)
    between = left[len(before) :] + right[: len(right) - len(behind)]
    space = "\n" if "\n" in between else between[:1]
    if not before or (before[-1] in _ENDS and space):
        # the value began a sentence: what is left of it begins there
        behind = behind.lstrip(_SPACES + _PAUSES + _ENDS)
        return before + (space if before else "") + behind[:1].upper() + behind[1:]
    if behind[:1] and behind[0] in _ENDS:
        return before.rstrip(_SPACES + _PAUSES) + behind
    if behind[:1] and behind[0] in ",;:":
        return before.rstrip(_SPACES + ",;:") + behind
    return before + space + behind
