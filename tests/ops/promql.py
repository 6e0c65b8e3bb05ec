"""As much of PromQL as the alerts are written in, read strictly: what this cannot read is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<number>\d+(?:\.\d+)?)|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<text>"[^"\\]*")"""
    r"""|(?P<range>\[\d+[smhd]\])|(?P<operator>=~|!~|!=|==|<=|>=|[-+*/<>=(){},])"""
)
# name -> how many arguments, of which the last is a vector (False) or a range of time (True)
FUNCTIONS = {"rate": (1, True), "increase": (1, True), "histogram_quantile": (2, False), "absent": (1, False)}
AGGREGATIONS = frozenset(("sum", "min", "max"))
ARITHMETIC, COMPARISONS, MATCHES = frozenset("+-*/"), frozenset(("<", ">", "==", "<=", ">=")), frozenset(("=", "=~", "!=", "!~"))


@dataclass
class Selector:
    """A metric with its matchers: (label, operator, value)."""

    metric: str
    matchers: list[tuple[str, str, str]] = field(default_factory=list)
    has_range: bool = False


@dataclass
class Expression:
    """What an alert asks: its selectors, the labels that it groups by, and the comparison, its operator and number."""

    selectors: list[Selector]
    grouped: set[str]
    comparison: tuple[str, float] | None


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0
        self.selectors: list[Selector] = []
        self.grouped: set[str] = set()

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *allowed: str) -> str:
        token = self.peek()
        if not token or (allowed and token not in allowed):
            raise ValueError(f"{token!r} stands where {allowed or 'more'} is due.")
        self.at += 1
        return token

    def arithmetic(self) -> None:
        self.operand()
        while self.peek() in ARITHMETIC:
            self.take()
            self.operand()

    def operand(self) -> None:
        token = self.take()
        if token == "(":
            self.arithmetic()
            self.take(")")
        elif token in AGGREGATIONS:
            if self.peek() == "by":
                self.take()
                self.grouped.update(self.listed("(", ")"))
            self.take("(")
            self.arithmetic()
            self.take(")")
        elif token in FUNCTIONS:
            self.call(token)
        elif re.fullmatch(r"[a-zA-Z_:][\w:]*", token):
            self.selector(token)
        elif not token[0].isdigit():
            raise ValueError(f"{token!r} is no value.")

    def call(self, name: str) -> None:
        n, wants_range = FUNCTIONS[name]
        self.take("(")
        for number in range(n):
            if number:
                self.take(",")
            self.arithmetic()
        self.take(")")
        if wants_range and not self.selectors[-1].has_range:
            raise ValueError(f"{name} wants a range of time.")

    def selector(self, name: str) -> None:
        found = Selector(name)
        if self.peek() == "{":
            self.take()
            while True:
                label, operator, value = self.take(), self.take(*MATCHES), self.take()
                if not value.startswith('"'):
                    raise ValueError(f"{value} is no string.")
                found.matchers.append((label, operator, value.strip('"')))
                if self.take(",", "}") == "}":
                    break
        if self.peek().startswith("["):
            self.take()
            found.has_range = True
        self.selectors.append(found)

    def listed(self, start: str, end: str) -> Iterator[str]:
        self.take(start)
        yield self.take()
        while self.take(",", end) != end:
            yield self.take()


def read(text: str) -> Expression:
    """An alert's expression. Raises ValueError for what is none, as far as this knows."""
    reader = _Reader(text)
    reader.arithmetic()
    comparison = None
    if reader.peek() in COMPARISONS:
        comparison = reader.take(), float(reader.take())
    if reader.peek():
        raise ValueError(f"{reader.peek()!r} is left over.")
    bare = [each.metric for each in reader.selectors if each.has_range]
    if len(bare) != len(re.findall(r"(?:rate|increase)\(", text)):
        raise ValueError("A range of time stands outside of rate and increase.")
    return Expression(reader.selectors, reader.grouped, comparison)


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"{text[at:]!r} cannot be read.")
        at = found.end()
        if found.lastgroup != "space":
            yield found[0]
