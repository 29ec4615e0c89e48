"""Rule to JSON and back. Every node is an object, and its key ``is`` says which."""

from __future__ import annotations

import functools
import json
import re
from decimal import Decimal
from typing import Any, get_args

import msgspec

from segdex.errors import ArgumentError, RuleError, RuleLimitError
from segdex.rules import limits
from segdex.rules.nodes import Constant, Rule, RuleNode, Value
from segdex.rules.printer import check_length
from segdex.rules.windows import Window

MOST_JSON_BYTES = 4 * 1024 * 1024
"""Of the JSON form: a list of 10,000 items takes more room here than in text."""

_DECIMAL = r"-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_ENCODER = msgspec.json.Encoder(order="deterministic")


def to_json(rule: Rule) -> bytes:
    """The rule as JSON; equal rules give equal bytes.

    Raises:
        RuleLimitError: the rule is nested more deeply than a rule may be.

    >>> to_json(Rule.from_json('{"is": "not", "rule": {"is": "everyone"}}'))
    b'{"is":"not","rule":{"is":"everyone"}}'
    """
    limits.check_depth(rule)
    return _ENCODER.encode(rule)


def from_json(data: bytes | str) -> Rule:
    """Read a rule from its JSON form.

    Raises:
        RuleError: the data is no JSON or no rule; the place is the path inside it, such as ``$.rules[0].op``.
        RuleLimitError: the rule is larger than the limits allow.
    """
    rule: Rule = decode(data, RuleNode, "rule")
    limits.check(rule)
    check_length(rule)
    return rule


def decode(data: bytes | str, kind: Any, what: str) -> Any:
    """The object of a type whose JSON form *data* is; *what* it is, is for the message. Raises as `from_json`."""
    text = _decoded(data)
    try:
        # The decoder below is silent where a key is given twice, and reads numbers as generously as Python does.
        json.loads(text, object_pairs_hook=_strict, parse_int=_unread, parse_float=_unread, parse_constant=_refuse)
        return _decoder(kind).decode(text)
    except RecursionError:
        raise RuleLimitError("the JSON is nested too deeply", allowed=f"{limits.MOST_DEPTH} levels of rules") from None
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `")
        raise RuleError(f"not a {what}: {problem}", place=path.rstrip("`") or "$") from None
    except ValueError as error:
        raise RuleError(f"not JSON: {error}") from None


def rule_schema() -> dict[str, Any]:
    """The JSON Schema of the JSON form, draft 2020-12. The limits on the size of a rule are not part of it."""
    unions = {"Rule": RuleNode, "Value": Value, "Constant": Constant, "Window": Window}
    shapes, components = msgspec.json.schema_components(list(unions.values()), ref_template="#/$defs/{name}")
    named = list(zip(unions, shapes, strict=True))
    definitions = {name: _tidied(shape, named) for name, shape in components.items()}
    for name, shape in named:
        definitions[name] = _tidied(shape, [])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A rule of segdex",
        "$ref": "#/$defs/Rule",
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _tidied(shape: Any, named: list[tuple[str, Any]]) -> Any:
    """The part of a schema with *named* unions as references, and numbers as they are really accepted."""
    for name, union in named:
        if shape == union:
            return {"$ref": f"#/$defs/{name}"}
    if isinstance(shape, list):
        return [_tidied(part, named) for part in shape]
    if not isinstance(shape, dict):
        return shape
    if shape.get("format") == "decimal":
        return {"anyOf": [{"type": "string", "pattern": f"^{_DECIMAL}$"}, {"type": "number"}]}
    tidy = {key: _tidied(part, named) for key, part in shape.items() if key != "discriminator"}
    if isinstance(tidy.get("description"), str):
        tidy["description"] = " ".join(tidy["description"].split())
    return tidy


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@functools.cache
def _decimals() -> dict[Any, list[str]]:
    """The fields of each kind of node that hold a decimal, by its tag."""
    return {
        kind.__struct_config__.tag: [field.name for field in msgspec.structs.fields(kind) if field.type is Decimal]
        for kind in (*get_args(RuleNode), *get_args(Value))
    }


def _decoded(data: bytes | str) -> str:
    if not isinstance(data, bytes | bytearray | str):
        raise ArgumentError("the JSON form of a rule is bytes or text", found=type(data).__name__)
    if len(data) > MOST_JSON_BYTES:
        raise RuleLimitError("the JSON of the rule is too long", allowed=f"{MOST_JSON_BYTES:,} bytes")
    try:
        text = data if isinstance(data, str) else bytes(data).decode()
        text.encode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise RuleError(f"not JSON: {error.reason}") from None
    return text


def _strict(pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RuleError("a key of an object is given twice", found=repr(twice[:40]))
    table = dict(pairs)
    tag = table.get("is")
    for name in _decimals().get(tag, ()) if isinstance(tag, str) else ():
        value = table.get(name)
        if isinstance(value, str) and not re.fullmatch(_DECIMAL, value):
            raise RuleError("not a number", found=ascii(value[:40]), allowed="a number as a rule writes it: -12.5, 1e5")


def _unread(text: str) -> None:
    """Numbers are left to the decoder: making one of a million digits takes its time."""


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")
