"""Text, JSON and Python are three ways to write one tree: each gives back exactly what went in."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings

import segdex
from segdex.errors import RuleError
from segdex.rules import limits, nodes
from segdex.rules.json_form import from_json, rule_schema, to_json
from segdex.rules.printer import value_to_text
from segdex.rules.text import parse, parse_value, parse_window, read
from tests.rules import strategies

A, B, C = (nodes.Compare("=", nodes.Name(name), nodes.Boolean(True)) for name in "abc")
FIVE = nodes.Number(Decimal(5))
X = nodes.Name("x")


@given(strategies.rules())
@settings(deadline=None)
def test_every_rule_is_legal_and_reads_back_from_its_text(rule: nodes.Rule) -> None:
    limits.check(rule)
    text = str(rule)
    assert parse(text) == rule
    assert str(parse(text)) == text


@given(strategies.values())
@settings(deadline=None)
def test_every_value_reads_back_from_its_text(value: nodes.Value) -> None:
    assert parse_value(value_to_text(value)) == value


@given(strategies.windows)
@settings(deadline=None)
def test_every_window_reads_back_from_its_text(window: object) -> None:
    assert parse_window(str(window)) == window


@given(strategies.rules())
@settings(deadline=None)
def test_every_rule_reads_back_from_its_json(rule: nodes.Rule) -> None:
    data = rule.to_json()
    assert nodes.Rule.from_json(data) == rule
    assert from_json(data).to_json() == data
    assert from_json(data.decode()) == rule


@given(strategies.rules())
@settings(deadline=None)
def test_every_rule_reads_back_from_its_python(rule: nodes.Rule) -> None:
    assert eval(rule.to_python(), {"segdex": segdex}) == rule


@given(strategies.rules())
@settings(deadline=None)
def test_every_node_of_a_text_has_a_place_inside_it(rule: nodes.Rule) -> None:
    text = str(rule)
    lines = text.split("\n")
    source = read(text)
    for node in nodes.walk(source.rule):
        line, column = source.positions[id(node)]
        assert 1 <= column <= len(lines[line - 1])


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (A | B & C, "a = true or b = true and c = true"),
        ((A | B) & C, "(a = true or b = true) and c = true"),
        (~(A & B), "not (a = true and b = true)"),
        (~A & B, "not a = true and b = true"),
        (~~A, "not not a = true"),
        (nodes.And((nodes.And((A, B)), C)), "(a = true and b = true) and c = true"),
        (nodes.Or((A, nodes.Or((B, C)))), "a = true or (b = true or c = true)"),
        (nodes.ForAny("c", A | B), "any c (a = true or b = true)"),
    ],
)
def test_rules_print_with_the_parentheses_they_need(rule: nodes.Rule, text: str) -> None:
    assert str(rule) == text
    assert parse(text) == rule


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (nodes.Negative(FIVE), "-(5)"),
        (nodes.Number(Decimal(-5)), "-5"),
        (nodes.Negative(nodes.Number(Decimal(-5))), "-(-5)"),
        (nodes.Negative(nodes.Negative(X)), "-(-x)"),
        (nodes.Negative(nodes.Arithmetic("+", X, FIVE)), "-(x + 5)"),
        (nodes.Arithmetic("-", X, nodes.Arithmetic("-", X, FIVE)), "x - (x - 5)"),
        (nodes.Arithmetic("-", nodes.Arithmetic("-", X, X), FIVE), "x - x - 5"),
        (nodes.Arithmetic("*", nodes.Arithmetic("+", X, X), FIVE), "(x + x) * 5"),
        (nodes.Arithmetic("+", nodes.Arithmetic("*", X, X), FIVE), "x * x + 5"),
        (nodes.Arithmetic("/", X, nodes.Arithmetic("*", X, X)), "x / (x * x)"),
        (nodes.Arithmetic("-", X, nodes.Number(Decimal(-1))), "x - -1"),
        (nodes.Arithmetic("*", nodes.Negative(X), FIVE), "-x * 5"),
        (nodes.Number(Decimal("1.50E+3")), "1500"),
        (nodes.Number(Decimal("1e-9")), "0.000000001"),
        (nodes.Number(Decimal("-0.0")), "0"),
        (nodes.Name("last name"), '"last name"'),
        (nodes.Name('6" nails'), '"6"" nails"'),
        (nodes.Name("Between"), '"Between"'),
        (nodes.Name("größe"), "größe"),
        (nodes.Text("it's"), "'it''s'"),
    ],
)
def test_values_print_with_the_parentheses_they_need(value: nodes.Value, text: str) -> None:
    assert value_to_text(value) == text
    assert parse_value(text) == value


def test_json_is_plain_and_leaves_out_what_is_not_said() -> None:
    data = to_json(parse("x > 1.50 and not segment 's'"))
    assert data == (
        b'{"is":"and","rules":[{"is":"compare","op":">","left":{"is":"name","name":"x"},'
        b'"right":{"is":"number","value":"1.5"}},{"is":"not","rule":{"is":"segment","name":"s"}}]}'
    )


def test_equal_rules_give_equal_json() -> None:
    one, two = (
        nodes.Did(nodes.Call("count", "orders", options=dict(options)))
        for options in ([("a", X), ("b", FIVE)], [("b", FIVE), ("a", X)])
    )
    assert one == two
    assert to_json(one) == to_json(two)
    assert str(one) == str(two) == "did(orders, a = x, b = 5)"


def test_json_numbers_are_read_exactly() -> None:
    data = '{"is":"compare","op":"=","left":{"is":"name","name":"x"},"right":{"is":"number","value":%s}}'
    assert str(from_json(data % "0.1234567890123456789012345678")) == "x = 0.1234567890123456789012345678"
    assert str(from_json(data % "1.5e3")) == str(from_json(data % '"1500.0"')) == "x = 1500"


def test_the_schema_names_every_node_and_all_its_references_exist() -> None:
    schema = rule_schema()
    text = json.dumps(schema)
    found = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert found <= schema["$defs"].keys()
    tags = {
        definition["properties"]["is"]["enum"][0]
        for definition in schema["$defs"].values()
        if "anyOf" not in definition
    }
    concrete = [kind for base in (nodes.Node, nodes.Rule) for kind in base.__subclasses__() if kind is not nodes.Rule]
    assert {kind.__struct_config__.tag for kind in concrete} <= tags
    assert schema["$defs"]["And"]["properties"]["rules"]["minItems"] == 2
    assert schema["$defs"]["And"]["additionalProperties"] is False


@given(strategies.rules(2))
@settings(deadline=None, max_examples=50)
def test_the_json_of_a_rule_fits_the_schema(rule: nodes.Rule) -> None:
    schema = rule_schema()
    assert fits(json.loads(to_json(rule)), schema, schema["$defs"])


def test_the_schema_refuses_what_is_no_rule() -> None:
    schema = rule_schema()
    for wrong in (
        {},
        {"is": "and", "rules": [{"is": "everyone"}]},
        {"is": "everyone", "x": 1},
        {"is": "name", "name": "x"},
    ):
        assert not fits(wrong, schema, schema["$defs"])


def fits(value: object, schema: dict, definitions: dict) -> bool:
    """Whether *value* satisfies *schema*, for the keywords that the schema of a rule uses."""
    if "$ref" in schema:
        return fits(value, definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        return any(fits(value, part, definitions) for part in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    match schema["type"]:
        case "object":
            extra = schema.get("additionalProperties", True)
            known = schema.get("properties", {})
            return (
                isinstance(value, dict)
                and set(schema.get("required", ())) <= value.keys()
                and all(
                    fits(held, known[key], definitions)
                    if key in known
                    else extra is not False and (extra is True or fits(held, extra, definitions))
                    for key, held in value.items()
                )
            )
        case "array":
            return (
                isinstance(value, list)
                and len(value) >= schema.get("minItems", 0)
                and all(fits(part, schema["items"], definitions) for part in value)
            )
        case "string":
            return isinstance(value, str) and len(value) >= schema.get("minLength", 0)
        case "integer":
            return isinstance(value, int) and schema.get("minimum", value) <= value <= schema.get("maximum", value)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case other:
            return other == "number" and isinstance(value, int | float)


def test_a_sequence_in_all_its_forms() -> None:
    text = (
        'sequence(carts then not orders where (a = 1 or b = 2) within 3d then "on" where c is known on then, 30d) >= 1'
    )
    rule = parse(text)
    assert str(rule) == text.replace('"on"', "on")
    assert parse(str(rule)) == rule
    made = segdex.sequence(
        "carts",
        segdex.step("orders", where=(segdex.field("a") == 1) | (segdex.field("b") == 2), not_=True, within="3d"),
        segdex.step("on", where="c is known"),
        on="then",
        window="30d",
    )
    assert (made >= 1) == rule
    data = json.loads(to_json(rule))["left"]
    assert data["steps"][0] == {"is": "step", "stream": "carts"}
    assert data["steps"][1]["negated"] is True
    assert data["steps"][1]["within"] == {"is": "duration", "count": 3, "unit": "d"}
    assert (data["on"], data["window"]["is"]) == ("then", "rolling")


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"stream": "a"}], "length"),
        ([{"stream": "a"}, {"stream": "b", "negated": True}], "needs 'within'"),
        ([{"stream": "a", "negated": True}, {"stream": "b"}], "first step"),
        ([{"stream": "a"}] * 17, "2 to 16"),
        ([{"stream": "a"}, {"stream": "b", "within": {"is": "duration", "count": -1, "unit": "d"}}], "negative"),
        ([{"stream": "a"}, {"stream": ""}], "length"),
    ],
)
def test_a_sequence_of_json_passes_the_same_checks(steps: list[dict[str, object]], said: str) -> None:
    made = {"is": "sequence", "steps": [{"is": "step"} | step for step in steps]}
    with pytest.raises(RuleError, match=said):
        from_json(json.dumps({"is": "known", "value": made}))
