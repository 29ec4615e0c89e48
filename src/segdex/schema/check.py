"""Whether a rule fits a schema: every name known, every comparison between values that compare.

A rule that has passed can be evaluated without further questions.
"""

from __future__ import annotations

import msgspec

from segdex.errors import RuleError, listed, nearest
from segdex.rules import limits, nodes
from segdex.rules.printer import check_length, value_to_text
from segdex.rules.windows import Duration
from segdex.schema import fits
from segdex.schema.calls import metric_of, position
from segdex.schema.catalog import Catalog
from segdex.schema.families import references
from segdex.schema.fits import Misfit, Operand
from segdex.schema.place import Positions
from segdex.schema.types import Kind, Scope, ValueType

_LITERALS: dict[type[nodes.Node], Kind] = {
    nodes.Number: "number", nodes.Text: "text", nodes.Boolean: "bool", nodes.Date: "date", nodes.Time: "time",
    nodes.Today: "date",
}  # fmt: skip
_COMPUTED = ValueType("number", role="computed")


def check_rule(rule: nodes.Rule, catalog: Catalog, scope: Scope, positions: Positions | None = None) -> None:
    """Check *rule* against the names of *scope*.

    Args:
        rule: any rule.
        catalog: the schema.
        scope: what names may be used: those of customers, of rows or of transactions.
        positions: line and column of nodes by ``id(node)``, for messages.

    Raises:
        RuleError: an unknown name, values that do not compare, or a part that this version does not know.
        RuleLimitError: the rule is larger than the limits allow.
    """
    limits.check(rule, positions)
    if positions is None:
        check_length(rule)
    _Checker(catalog, scope, positions).rule(rule)


def value_type(value: nodes.Value, catalog: Catalog, scope: Scope) -> ValueType:
    """The type of *value*; a bare name may be a family or a segment.

    Raises:
        RuleError: an unknown name, or arithmetic over what is no number.
    """
    limits.check(value)
    checker = _Checker(catalog, scope, None)
    if isinstance(value, nodes.Name):
        return checker.known(value)
    if isinstance(value, nodes.Call):
        return checker.call(value)
    return checker.value(value)


def check_formula(value: nodes.Value, catalog: Catalog, positions: Positions | None = None) -> None:
    """Check the formula of a metric: numbers, other numeric metrics, and + - * / between them.

    Raises:
        RuleError: anything else is in it, or families of different fields.
    """
    limits.check(value, positions)
    checker = _Checker(catalog, catalog.customers(), positions)
    problem = "a formula is made of numbers and numeric metrics"
    left: list[nodes.Node] = [value]
    while left:
        node = left.pop()
        match node:
            case nodes.Name() | nodes.Item(nodes.Name(), nodes.Text()):
                found = checker.known(node) if isinstance(node, nodes.Name) else checker.value(node)
                if found.role != "metric" or not found.numeric:
                    name = node.name if isinstance(node, nodes.Name) else value_to_text(node)
                    what = f"{name!r}, {_article(found.role)} of type {found.kind}"
                    raise checker.fault(node, problem, found=what)
            case nodes.Item():
                hint = "write the family alone for all of its categories, or one of them: name['…']"
                raise checker.fault(node, problem, found=value_to_text(node), hint=hint)
            case nodes.Number() | nodes.Arithmetic() | nodes.Negative():
                left.extend(reversed(list(nodes.children(node))))
            case _:
                raise checker.fault(node, problem, found=type(node).__name__)
    _check_families(value, catalog, checker)


def _check_families(formula: nodes.Value, catalog: Catalog, checker: _Checker) -> None:
    """The families of a formula have a ``by`` in common: else no category would be one of all of them."""
    shared: frozenset[str] | None = None
    for node in references(formula):
        if isinstance(node, nodes.Item):
            continue
        fields = frozenset(by.field for by in catalog.families[node.name])
        if not fields:
            continue
        if shared is not None and not shared & fields:
            found = f"{node.name!r} has one value for every {listed(sorted(fields))}, not {listed(sorted(shared))}"
            hint = "fields that mean the same may have one name, each with its own column"
            raise checker.fault(node, "the families of a formula have different 'by'", found=found, hint=hint)
        shared = fields if shared is None else shared & fields


class _Checker:
    def __init__(self, catalog: Catalog, scope: Scope, positions: Positions | None) -> None:
        self._catalog = catalog
        self._scope = scope
        self._positions = positions
        self._variables: dict[str, bool] = {}  # bound by the enclosing `any c (…)`: whether used

    def fault(self, node: nodes.Node, problem: str, **parts: str | None) -> RuleError:
        return RuleError(problem, place=position(node, self._positions), **parts)

    # --- rules ---

    def rule(self, rule: nodes.Rule) -> None:
        match rule:
            case nodes.And(rules) | nodes.Or(rules):
                for each in rules:
                    self.rule(each)
            case nodes.Not(inner):
                self.rule(inner)
            case nodes.ForAny():
                self._for_any(rule)
            case nodes.Everyone():
                pass
            case nodes.Segment(name):
                self._segment(rule, name)
            case nodes.Did(call):
                self._call_value(call)
            case nodes.Near(value):
                self._of_kind(value, ("geo",), "'within … km of' is about places")
            case _:
                self._test(rule)

    def _test(self, rule: nodes.Rule) -> None:
        match rule:
            case nodes.Compare(op, left, right):
                self._compare(rule, op, left, right)
            case nodes.Between(value, low, high):
                self._compare(rule, ">=", value, low)
                self._compare(rule, "<=", value, high)
            case nodes.In(value, values, _):
                held = Operand(value, self.value(value))
                for each in values:
                    self._fit(each, "=", held, Operand(each, self.value(each)))
            case nodes.Soon(value, within):
                self._soon(rule, value, within)
            case nodes.Has(value, _, _):
                self._of_kind(value, ("tags",), "'has' is about tags")
            case nodes.Match(value, _, _, _):
                self._of_kind(value, ("text", "category", "id"), "text is looked for in strings")
            case nodes.Known(value) | nodes.Missing(value):
                self.value(value)
            case _:
                raise self.fault(rule, f"{type(rule).__name__} is not a rule")

    def _compare(self, rule: nodes.Rule, op: nodes.Comparison, left: nodes.Value, right: nodes.Value) -> None:
        first = Operand(left, self.value(left))
        if isinstance(right, nodes.Name) and first.group == "text":
            self.known(right, otherwise=f"a string is written in quotes: '{right.name}'")
        self._fit(rule, op, first, Operand(right, self.value(right)))

    def _fit(self, node: nodes.Node, op: nodes.Comparison, left: Operand, right: Operand) -> None:
        try:
            fits.check_comparison(op, left, right)
        except Misfit as misfit:
            raise self.fault(node, misfit.problem, **misfit.parts) from None

    def _of_kind(self, value: nodes.Value, kinds: tuple[Kind, ...], problem: str) -> None:
        found = self.value(value)
        if found.kind not in kinds or found.role == "literal":
            name = f"{value.name!r}, " if isinstance(value, nodes.Name) else ""
            raise self.fault(value, problem, found=f"{name}{found.kind}", allowed=", ".join(kinds))

    def _for_any(self, rule: nodes.ForAny) -> None:
        """``any c (…)``: the variable is new, and used."""
        self._customers_only(rule, f"'any {rule.variable} (…)'")
        if rule.variable in self._variables:
            raise self.fault(rule, f"the variable {rule.variable!r} is bound twice", hint="choose another letter")
        self._variables[rule.variable] = False
        self.rule(rule.rule)
        if not self._variables.pop(rule.variable):
            hint = f"write a family as name[{rule.variable}] inside"
            raise self.fault(rule, f"the variable {rule.variable!r} is never used", hint=hint)

    def _segment(self, rule: nodes.Rule, name: str) -> None:
        self._customers_only(rule, f"segment {name!r}")
        names = self._scope.names()
        segments = [each for each, kind in names.items() if kind.role == "segment"]
        if name in segments:
            return
        hint = nearest(name, segments)
        if name in names:
            hint = f"{name!r} is declared as {_article(names[name].role)}; compare it, without the word segment"
        raise self.fault(rule, f"unknown segment {name!r}", allowed=listed(segments), hint=hint)

    def _customers_only(self, node: nodes.Node, what: str) -> None:
        if self._scope.stream is not None:
            raise self.fault(node, f"{what} does not belong into a where or having", allowed=self._scope.place)

    # --- values ---

    def value(self, value: nodes.Node) -> ValueType:
        """The type of what gives one value a customer (row, transaction)."""
        match value:
            case nodes.Name():
                return self._plain(value)
            case nodes.Item():
                return self._item(value)
            case nodes.Call():
                return self._call_value(value)
            case nodes.Sequence():
                return self._sequence(value)
            case nodes.Arithmetic():
                return self._arithmetic(value)
            case nodes.Negative(inner):
                self._number(inner, "-")
                return _COMPUTED
            case nodes.Length(length):
                raise self.fault(value, "a duration is no value by itself", found=str(length), hint="today + 30d is")
            case nodes.Anniversary(name):
                self._dated(name, "an anniversary is that of a date or a time")
                return ValueType("date", role="computed")
            case nodes.Bucket():
                self._customers_only(value, "bucket(…)")
                return ValueType("integer", role="computed")
            case _ if type(value) in _LITERALS:
                return ValueType(_LITERALS[type(value)], role="literal")
            case _:
                raise self.fault(value, f"{type(value).__name__} is not a value")

    def known(self, name: nodes.Name, otherwise: str | None = None) -> ValueType:
        """The type of a declared name."""
        found = self._scope.names().get(name.name)
        if found is None:
            raise self._unknown(name, otherwise)
        return found

    def _unknown(self, node: nodes.Name, otherwise: str | None) -> RuleError:
        """The error about a name that is not declared; *otherwise* is the hint where no name is near."""
        name, names = node.name, self._scope.names()
        streams = [stream for stream, fields in self._catalog.fields.items() if name in fields]
        if self._scope.stream is None and name in self._catalog.fields:
            hint: str | None = f"{name!r} is a stream: write count({name}, …)"
        elif self._scope.stream is None and streams:
            hint = (
                f"{name!r} is a field of stream {streams[0]!r}: use it in a where, as in count({streams[0]}, where …)"
            )
        elif name in self._catalog.types and self._scope.stream is not None:
            hint = f"{name!r} is declared for customers; a where or having asks about {self._scope.place}"
        elif self._scope.stream is not None and name in self._catalog.measured(self._scope.stream):
            hint = f"sessions have a {name}, rows have none: ask for it in a having"
        else:
            hint = nearest(name, names) or otherwise
        return self.fault(node, f"unknown name {name!r}", allowed=f"{self._scope.place}: {listed(names)}", hint=hint)

    def _plain(self, name: nodes.Name) -> ValueType:
        """The type of a name that stands for one value."""
        found = self.known(name)
        if found.role == "segment":
            raise self.fault(name, f"{name.name!r} is a segment, not a value", hint=f"write segment '{name.name}'")
        if found.family:
            text = name.name
            hint = f"write {text}['…'], {text}[any], or any c (… {text}[c] …)"
            raise self.fault(name, f"{text!r} has one value for every category", hint=hint)
        return found

    def _item(self, item: nodes.Item) -> ValueType:
        """The type of one value of a family."""
        self._customers_only(item, "one value of a family")
        found = self.known(item.of) if isinstance(item.of, nodes.Name) else self.call(item.of)
        if not found.family:
            what = repr(item.of.name) if isinstance(item.of, nodes.Name) else f"{item.of.kind}(…)"
            hint = "leave out the brackets" if isinstance(item.of, nodes.Name) else "add by = field to make a family"
            raise self.fault(item, f"{what} is one value, not one for every category", hint=hint)
        if isinstance(item.key, nodes.Variable):
            self._variables[item.key.name] = True
        return msgspec.structs.replace(found, family=False)

    def _call_value(self, call: nodes.Call) -> ValueType:
        found = self.call(call)
        if found.family:
            hint = f"write {call.kind}(…)['…'] or {call.kind}(…)[any]"
            raise self.fault(call, f"{call.kind}(… by = {call.by}) has one value for every category", hint=hint)
        return found

    def call(self, call: nodes.Call) -> ValueType:
        """The type of an inline call, which may be a family; its own rules are checked too."""
        self._customers_only(call, f"{call.kind}(…)")
        metric = metric_of(call, self._catalog, self._positions)
        if metric.stream is not None:
            if call.where is not None:
                self._inside(call.where, self._catalog.rows(metric.stream))
            if call.having is not None:
                self._inside(call.having, self._catalog.transactions(metric.stream))
        return self._catalog.metric_type(metric)

    def _sequence(self, sequence: nodes.Sequence) -> ValueType:
        self._customers_only(sequence, "sequence(…)")
        metric = metric_of(sequence, self._catalog, self._positions)
        for step in sequence.steps:
            if step.where is not None:
                self._inside(step.where, self._catalog.rows(step.stream))
        return self._catalog.metric_type(metric)

    def _inside(self, rule: nodes.Rule, scope: Scope) -> None:
        _Checker(self._catalog, scope, self._positions).rule(rule)

    def _arithmetic(self, value: nodes.Arithmetic) -> ValueType:
        if not isinstance(value.right, nodes.Length):
            self._number(value.left, value.op)
            self._number(value.right, value.op)
            return _COMPUTED
        duration, left = value.right.value, self.value(value.left)
        if left.kind != "date" or value.op not in ("+", "-"):
            found = f"{left.kind} {value.op} {duration}"
            raise self.fault(
                value, "a duration is added to or taken from a date", found=found, allowed="date ± duration"
            )
        self._whole_days(value, duration)
        return ValueType("date", role="computed")

    def _soon(self, rule: nodes.Rule, value: nodes.Value, within: Duration) -> None:
        self._dated(value, "'within' is about dates and times")
        self._whole_days(rule, within)

    def _dated(self, value: nodes.Value, problem: str) -> None:
        found = self.value(value)
        if found.kind not in ("date", "time"):
            name = f"{value.name!r}, " if isinstance(value, nodes.Name) else ""
            raise self.fault(value, problem, found=f"{name}{found.kind}", allowed="date, time")

    def _whole_days(self, node: nodes.Node, duration: Duration) -> None:
        if duration.unit in ("h", "min"):
            raise self.fault(node, "a date moves by whole days", found=str(duration), allowed="d, w, mo, y")

    def _number(self, value: nodes.Value, op: str) -> None:
        found = self.value(value)
        if found.numeric:
            return
        hint = None
        if found.kind in ("date", "time"):
            hint = "days between a date and today: days_since(…), days_until(…)"
        name = f"{value.name!r}, " if isinstance(value, nodes.Name) else ""
        raise self.fault(value, f"{op} works on numbers", found=f"{name}{found.kind}", hint=hint)


def _article(role: str) -> str:
    return f"an {role}" if role == "attribute" else f"a {role}"
