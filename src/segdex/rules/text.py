"""Text to rule. The one module that imports lark; the parser is made when the first text arrives."""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import Any

import msgspec
from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from segdex.errors import ArgumentError, RuleLimitError
from segdex.rules import limits
from segdex.rules.builder import Builder
from segdex.rules.complaints import bad_character, unexpected
from segdex.rules.nodes import Rule, Value
from segdex.rules.windows import Window

_builder = Builder()
_UNKEPT = re.compile("[\0\ud800-\udfff]")


class Source(msgspec.Struct, frozen=True):
    """A rule and where its nodes stand in the text that it was read from.

    Attributes:
        rule: the rule; as long as it is alive, the ids of its nodes are its own.
        positions: line and column, both from 1, by ``id(node)``.
    """

    rule: Rule
    positions: dict[int, tuple[int, int]]


def parse(text: str) -> Rule:
    """Read a rule.

    Raises:
        RuleError: the text is no rule; the message says line, column, what was found and what was expected.
        RuleLimitError: the rule is larger than the limits allow.

    >>> parse("orders_3m > 7 and not country = 'IN'").rules[1]
    Not(rule=Compare(op='=', left=Name(name='country'), right=Text(value='IN')))
    """
    rule: Rule = _read(text, "rule")
    return rule


def read(text: str) -> Source:
    """Read a rule and keep where each of its nodes stands; raises as `parse`."""
    return Source(_read(text, "rule"), _builder.work.positions)


def parse_value(text: str) -> Value:
    """Read a value, such as the formula of a metric: names, numbers, arithmetic; raises as `parse`.

    >>> parse_value("spend_6m / 6").op
    '/'
    """
    value: Value = _read(text, "value")
    return value


def parse_window(text: str) -> Window:
    """Read a window as rules write it: ``90d``, ``180d..90d``, ``calendar 30d``; raises as `parse`.

    >>> parse_window("..30d")
    Rolling(start=None, end=Duration(count=30, unit='d'))
    """
    window: Window = _read(text, "window")[2]
    return window


@functools.cache
def _parser() -> Lark:
    grammar = resources.files("segdex.rules").joinpath("grammar.lark").read_text("utf-8")
    return Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start=["rule", "value", "window"],
        transformer=_builder,
        maybe_placeholders=False,
    )


def _read(text: str, start: str) -> Any:
    _check_text(text)
    work = _builder.work
    work.begin()
    session: Any = _parser().parse_interactive(text, start=start)  # half of it has no types
    depth = 0
    before: Any = None
    try:
        for token in session.lexer_thread.lex(session.parser_state):
            if token.type == "_LPAR":
                depth += 1
                _check_depth(depth, token)
            elif token.type == "_RPAR":
                depth -= 1
            session.feed_token(token)
            before = token
        built = session.feed_eof(before)
    except UnexpectedToken as error:
        raise unexpected(error.token, session.accepts(), before) from None
    except UnexpectedCharacters as error:
        raise bad_character(text, error.pos_in_stream or 0, session.accepts()) from None
    # A tree of few nodes cannot be deep: most rules are spared the walk.
    if work.count > limits.MOST_DEPTH or work.has_variables:
        limits.check(built, work.positions)
    return built


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise ArgumentError("a rule is text", found=type(text).__name__)
    unkept = _UNKEPT.search(text[: limits.MOST_BYTES])
    if unkept:
        raise bad_character(text, unkept.start(), None)
    if len(text) > limits.MOST_BYTES or len(text.encode()) > limits.MOST_BYTES:
        raise RuleLimitError("the text of the rule is too long", allowed=f"{limits.MOST_BYTES:,} bytes")


def _check_depth(depth: int, token: Token) -> None:
    error = limits.too_large(depth, 0, 0)
    if error is not None:
        raise error.at(_at(token))


def _at(token: Token) -> str:
    return limits.place(token.line or 1, token.column or 1)
