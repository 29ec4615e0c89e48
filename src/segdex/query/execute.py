"""A bound rule to a plan, and a plan to counts and members.

Resolving a bound rule gives a formula over sets; rewriting makes it smaller; covering it with truth tables gives a
program for the kernels. Leaves that no precomputed predicate answers are computed from values, and remembered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Ids, Predicate
from segdex.bitmap.program import INPUT_TABLES, MOST_OPERANDS, Operand, Program, assemble, count_all
from segdex.bitmap.ranks import RANGE, Range, range_of
from segdex.deadlines import current
from segdex.errors import CorruptError, LimitError
from segdex.forks import Once
from segdex.generation import Generation, PredicateName
from segdex.query.bind import Binder, Bound, ForAny, substitute
from segdex.query.cover import cover
from segdex.query.customers import MOST_BYTES as MOST_CALL_BYTES
from segdex.query.customers import Customers
from segdex.query.estimate import Estimate, Spread, estimate, exactly, expected, ranged
from segdex.query.formula import And, Formula, Leaf, Not, Or, Truth, leaves, walk
from segdex.query.leaves import Labels, Within, leaf_mask, references
from segdex.query.remember import Remembered
from segdex.query.resolve import Facts, Resolved, Sets
from segdex.query.rewrite import rewrite
from segdex.rules import nodes
from segdex.values.column import Mask

MOST_COMBINATIONS = 200_000
"""How many categories, or combinations of them, one ``any c (…)`` may try; each takes some 50 microseconds."""
MOST_BYTES = 256 << 20
"""How many bytes of computed sets a generation remembers; ten million customers fill at most 1.25 MB with one."""

CACHE_BYTES = 32 << 20
"""What a third-level cache holds, about: sets that fit it are counted rule by rule."""


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """How a rule is answered.

    Attributes:
        formula: the rule over sets, rewritten.
        told: the count, where nothing has to be run for it: of one leaf, or its complement.
    """

    formula: Formula
    told: int | None
    _computed: Sets
    _executor: Executor

    @Once
    def sets(self) -> Sets:
        """The predicate or range of each leaf; made when it is first needed, since to tell a count takes none."""
        return {leaf: self._executor.operand_of(leaf, self._computed) for leaf in leaves(self.formula)}

    @property
    def has_ranges(self) -> bool:
        """Whether ranges of values are among the sets."""
        return any(isinstance(operand, Range) for operand in self.sets.values())

    @Once
    def program(self) -> Program:
        """What the kernels run."""
        return self._executor.program_of(self.formula, self.sets)

    def count(self) -> int:
        """How many customers the rule holds for."""
        return self.program.count() if self.told is None else self.told


class Executor:
    """Answers bound rules over one generation. Safe from many threads; what it returns must not be changed."""

    def __init__(self, generation: Generation, memory_limit: int | None = None, binder: Binder | None = None) -> None:
        self.generation = generation
        kept = MOST_BYTES + MOST_CALL_BYTES if memory_limit is None else memory_limit
        share = MOST_CALL_BYTES / (MOST_BYTES + MOST_CALL_BYTES)
        self.customers = Customers(generation, int(kept * share))
        self.binder = binder or Binder(generation.catalog)
        self._computed: Remembered[tuple[Predicate, str]] = Remembered(
            kept - int(kept * share), lambda held: held[0].words.nbytes
        )
        self._everyone = generation.all_inside
        self._universe = exactly(generation.universe.cardinalities).value

    def plan(self, bound: Bound) -> Plan:
        """Resolve, rewrite and cover a bound rule."""
        resolved = Resolved(self)
        return self.plan_of(resolved.formula(bound), resolved.sets)

    def made(self, plan: Plan) -> bool:
        """Whether *plan* is one of these."""
        return plan._executor is self

    def plan_of(self, formula: Formula, sets: Sets) -> Plan:
        """Rewrite a formula over *sets*."""
        formula = rewrite(formula, Facts(self, sets))
        return Plan(formula, self._told(formula, sets), sets, self)

    def program_of(self, formula: Formula, operands: Sets) -> Program:
        """Cover a formula with tables."""
        sizes = {}
        if len(operands) > MOST_OPERANDS:
            sizes = expected(formula, lambda leaf: self._spread(operands[leaf]), self._universe)
        # Sets that are in few chunks first: where one of them is not, the kernels need not look at the others.
        held = sorted(operands, key=lambda leaf: operands[leaf].occupied)
        count, members = self.generation.count, len(self.generation.universe)
        return assemble([operands[leaf] for leaf in held], cover(formula, held, sizes), count, members)

    def _told(self, formula: Formula, sets: Sets) -> int | None:
        """The count of a formula of one leaf or none."""
        everyone = len(self.generation.universe)
        match formula:
            case Truth():
                return everyone if formula.value else 0
            case Leaf():
                return self.cardinality_of(formula, sets)
            case Not() if isinstance(formula.part, Leaf):
                return everyone - self.cardinality_of(formula.part, sets)
        return None

    def operand_of(self, leaf: Leaf, sets: Sets) -> Operand:
        """What a leaf stands for: a set that was computed for the rule, a stored one, a union of these, or a range."""
        if leaf in sets:
            return sets[leaf]
        match leaf.name:
            case PredicateName():
                return self._stored(leaf.name)
            case Labels():
                return self._united(leaf.name)
            case Within(name, low, high):
                held = self._computed.peek(f"within:{leaf.name}")
                return range_of(self.generation.ranks[name], low, high) if held is None else held[0]
        raise AssertionError(f"nothing is known of the leaf {leaf}")

    def settled(self, plan: Plan) -> Plan:
        """The plan with a set in the place of each range: an eighth of the bytes to be read, made once and remembered.

        To make one takes as long as to count with it some times, so it pays for a rule that is asked again.
        """
        if not plan.has_ranges or plan.told is not None:
            return plan
        sets = {leaf: self._set_of(leaf, operand) for leaf, operand in plan.sets.items()}
        return Plan(plan.formula, None, sets, self)

    def _set_of(self, leaf: Leaf, operand: Operand) -> Operand:
        if not isinstance(operand, Range):
            return operand
        count, members = self.generation.count, len(self.generation.universe)

        def made() -> tuple[Predicate, str]:
            program = assemble([operand], [(INPUT_TABLES[0], (0,))], count, members)
            return hot.from_words(program.write_members(), count), "ranks"

        return self._computed.get(f"within:{leaf.name}", made)[0]

    def cardinality_of(self, leaf: Leaf, sets: Sets) -> int:
        """How many customers a leaf has; no union is made for it."""
        if isinstance(leaf.name, Labels):
            name, category, labels = leaf.name
            return sum(len(self._stored(PredicateName(name, label, category))) for label in labels)
        if isinstance(leaf.name, Within):
            return self.generation.ranks[leaf.name.name].count(leaf.name.low, leaf.name.high)
        return len(self.operand_of(leaf, sets))

    def _stored(self, name: PredicateName) -> Predicate:
        held = self.generation.predicates.get(name)
        if held is None:
            raise CorruptError("a set that the index should have is not there", found=str(name))
        return held

    def _united(self, of: Labels) -> Predicate:
        """The union of several labels, made once and remembered: each label would add to every chunk's work."""
        name, category, labels = of
        names = [PredicateName(name, label, category) for label in sorted(labels)]
        if len(names) == 1:
            return self._stored(names[0])

        def union() -> tuple[Predicate, str]:
            every = self.generation.labels(name)
            held: Formula = Or(tuple(Leaf(each) for each in names))
            if category is None and every is not None and 2 * len(names) > len(every):
                rest = [PredicateName(name, label) for label in every if label not in labels]
                held = And((Leaf(PredicateName(name)), *(Not(Leaf(each)) for each in rest)))
            operands = {leaf: self.operand_of(leaf, {}) for leaf in leaves(held)}
            tables = cover(held, list(operands), dict.fromkeys(walk(held), 0.0))
            count, members = self.generation.count, len(self.generation.universe)
            program = assemble(list(operands.values()), tables, count, members)
            return hot.from_words(program.write_members(), count), "predicates"

        return self._computed.get(f"labels:{of}", union)[0]

    def count(self, bound: Bound) -> int:
        """How many customers the rule holds for."""
        return self.plan(bound).count()

    def members(self, bound: Bound) -> Predicate:
        """The customers that the rule holds for."""
        return self.members_of(self.plan(bound))

    def members_of(self, plan: Plan) -> Predicate:
        """The customers that a plan finds."""
        whole = plan.sets[plan.formula] if isinstance(plan.formula, Leaf) else None
        if isinstance(whole, Predicate):
            return whole
        bits = plan.program.write_members()
        if plan.program.outside:
            bits &= hot.to_words(self.generation.universe)
        return hot.from_words(bits, self.generation.count)

    def ids(self, plan: Plan) -> Ids:
        """The dense ids that a plan finds, ascending."""
        return hot.to_ids(self.members_of(plan))

    def counts(self, plans: Sequence[Plan]) -> list[int]:
        """The counts of many plans: one by one, or where their sets fit no cache, a few chunks of all at a time."""
        asked = list(dict.fromkeys(plan for plan in plans if plan.told is None))
        sets = {id(each): each.payload_bytes for plan in asked for each in plan.program.predicates}
        if len(asked) < 2 or sum(sets.values()) < CACHE_BYTES:
            return [plan.count() for plan in plans]
        found = dict(zip(asked, count_all([plan.program for plan in asked]), strict=True))
        return [found[plan] if plan.told is None else plan.told for plan in plans]

    @property
    def remembered(self) -> tuple[int, int]:
        """How many computed sets and inline calls are kept, and their bytes."""
        sets, calls = self._computed.held, self.customers.held
        return sets[0] + calls[0], sets[1] + calls[1]

    def estimate(self, plan: Plan) -> Estimate:
        """How many customers a plan finds, about; a few chunks are counted."""
        if plan.told is not None:
            return Estimate(plan.told, plan.told, plan.told, True)
        count_chunk = plan.program.count_chunk
        customers = self.generation.universe.cardinalities
        return estimate(
            plan.formula,
            lambda leaf: self._spread(plan.sets[leaf]),
            self._universe,
            lambda chunk: count_chunk(chunk, int(customers[chunk])),
        )

    def _spread(self, operand: Operand) -> Spread:
        if isinstance(operand, Range):
            return ranged(operand.states, RANGE, len(operand), self._universe)
        return exactly(operand.cardinalities)

    def way_of(self, text: str) -> str | None:
        """How the leaf *text* was computed, in a word; None where it was not."""
        held = self._computed.peek(text)
        return held[1] if held else None

    # --- leaves that are computed ---

    def computed(self, text: str, compute: Callable[[], tuple[Mask, str]]) -> tuple[Predicate, str]:
        """A set that is remembered under *text*, and how it was found, in a word."""

        def predicate() -> tuple[Predicate, str]:
            mask, way = compute()
            if not self._everyone:
                mask &= hot.to_mask(self.generation.universe, self.generation.count)
            return hot.from_mask(mask), way

        return self._computed.get(text, predicate)

    def for_any(self, bound: ForAny) -> tuple[Mask, str]:
        """The union over categories; a comparison of one family with constants looks at all pairs at once."""
        if bound.variable is None and len(references(bound.rule)) == 1:
            return leaf_mask(bound.rule, self.generation, self.customers)
        categories = self.categories_of(bound.rule, bound.variable)
        combinations = len(categories) * self._combinations(bound.rule)
        if combinations > MOST_COMBINATIONS:
            raise LimitError(
                "too many combinations of categories",
                found=f"{combinations:,}",
                allowed=f"{MOST_COMBINATIONS:,}",
                hint="put less inside one another with 'any'",
            )
        found = np.zeros(self.generation.count, np.bool_)
        deadline = current()
        for category in categories:
            deadline.check()
            part = self.binder.bind_checked(substitute(bound.rule, bound.variable, category))
            found |= hot.to_mask(self.members(part), self.generation.count)
        return found, "categories"

    def categories_of(self, rule: nodes.Rule, variable: str | None) -> list[str]:
        """What *variable* (None: every ``[any]``) ranges over in *rule*: the categories of the families there."""
        chosen = nodes.AnyCategory() if variable is None else nodes.Variable(variable)
        items = [node for node in nodes.walk(rule) if isinstance(node, nodes.Item) and node.key == chosen]
        return self.customers.categories(items)

    def _combinations(self, rule: nodes.Node) -> int:
        """How often the innermost rule is asked for each time that *rule* is."""
        inner = max((self._combinations(child) for child in nodes.children(rule)), default=1)
        if not isinstance(rule, nodes.ForAny):
            return inner
        return inner * max(len(self.categories_of(rule.rule, rule.variable)), 1)
