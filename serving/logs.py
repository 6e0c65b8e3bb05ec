"""Structured logs: one JSON object per line on stderr, without what belongs to persons."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# what a record carries that was not given as `extra`; uvicorn repeats its messages in color_message
PLAIN = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"}
BLANK = "***"
# Postgres names the values of rows there, over several lines where they have some; a traceback may go on behind
_ROWS = re.compile(
    r"^[ |]*(?:DETAIL|CONTEXT|QUERY|WHERE):.*?(?=^[ |]*(?:HINT:|Traceback |  File |During handling of |The above exception )|\Z)",
    re.MULTILINE | re.DOTALL,
)
# the same in a repr, where lines do not end
_ROWS_IN_LINE = re.compile(r"\\n(?:DETAIL|CONTEXT|QUERY|WHERE):.*")
# the value that could not be read stands at the message's end
_GIVEN = re.compile(r'((?:invalid input|out of range)[^"\n]*: )".*"')
_BEARER = re.compile(r"\b(bearer(?:\s|%20|\+)+)[^\s\"',;<>]+", re.IGNORECASE)
# parts in base64url, of which the first holds an object: eyJ is {"
_PARTS = r"e[wy][\w-]{6,}\.[\w-]{2,}(?:\.[\w-]*)?"
_JWT = re.compile(rf"(?<![A-Za-z0-9]){_PARTS}", re.ASCII)
_LOCAL = r"\w.!#$%&*+/=?^`{|}~-"
_EMAIL = re.compile(rf"(?<![{_LOCAL}])[{_LOCAL}]+(?:@|%40)[\w.-]+")
# a line that has none of these needs no blanking; in JSON, a letter may stand before a token that begins a line
_SUSPECT = re.compile(
    rf"@|%40|DETAIL:|CONTEXT:|QUERY:|WHERE:|invalid input|out of range|[bB][eE][aA][rR][eE][rR]|{_PARTS}", re.ASCII
)


class JsonLines(logging.Formatter):
    """Time, level, logger and message, then every `extra` that has a value, then the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in PLAIN and value is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        written = json.dumps(line, ensure_ascii=False, default=str)
        # most lines hold nothing of the kind, and searching them whole is a fraction of the work
        return json.dumps(_blanked(line), ensure_ascii=False) if _SUSPECT.search(written) else written


def blanked(text: str) -> str:
    """A text without e-mail addresses, bearer tokens and JWTs, and without the values of rows that Postgres' errors name."""
    text = _GIVEN.sub(rf"\1{BLANK}", _ROWS_IN_LINE.sub("", _ROWS.sub("", text)))
    text = _JWT.sub(BLANK, _BEARER.sub(rf"\1{BLANK}", text))
    return _EMAIL.sub(BLANK, text)


def configure(level: str) -> None:
    """Send every logger of this process, and warnings of libraries, to stderr, as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)


def _blanked(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {blanked(str(name)): _blanked(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_blanked(each) for each in value]
    return blanked(str(value))
