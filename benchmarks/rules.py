"""The rules that counts are measured with, and how each is best written by hand over Roaring sets.

They are the examples of marketing (buys often, mostly apparel and clicks, silent for half a year), and shapes that
engines differ on: two sets and twelve, sparse and dense, exclusions, unions of labels, nothing but negations.
A label alone is not among them: its size is a number that every engine of sets has stored.

Roaring has a set for every leaf, thresholds included, so that `active90` is one set and not the union of three labels.
Expressions of one rule are alternatives, of which the fastest is measured. They know the sets by name, `customers` (how
many there are), and `union` and `intersection` of any number of sets. Their last operation only counts, a negation is
a difference, and labels that exclude each other may be added up.
"""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

from benchmarks.conditions import (
    Condition,
    Leaf,
    at_least,
    at_most,
    category,
    is_missing,
    label,
    leaves,
    one_of,
    to_text,
    true,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule, and its expressions over Roaring sets."""

    name: str
    where: Condition
    roaring: tuple[str, ...]

    @property
    def text(self) -> str:
        """The rule in the language of segdex."""
        return to_text(self.where)

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return len(leaves(self.where))


def _named(**conditions: Leaf) -> dict[str, Leaf]:
    return {name: dataclasses.replace(leaf, name=name) for name, leaf in conditions.items()}


LEAVES = _named(
    hot7=label("recency", "hot"),
    warm30=at_most("recency", "warm"),
    active90=at_most("recency", "cooling"),
    cold=label("recency", "cold"),
    silent180=at_least("recency", "lapsed"),
    never=is_missing("since_order"),
    lead=label("frequency", "none"),
    once=label("frequency", "once"),
    repeat=at_least("frequency", "some"),
    frequent=at_least("frequency", "frequent"),
    heavy=label("frequency", "heavy"),
    many_3m=label("orders_3m_band", "many"),
    several_3m=at_least("orders_3m_band", "several"),
    spend1k=at_least("spend_band", "some"),
    spend5k=label("spend_band", "much"),
    basket500=label("basket_band", "big"),
    basket1000=label("basket_band", "huge"),
    fortnightly=label("rhythm", "fortnightly"),
    apparel50=at_least("apparel_band", "half"),
    apparel75=label("apparel_band", "most"),
    garden20=at_least("garden_band", "some"),
    open20=label("opens", "some"),
    open30=at_least("opens", "often"),
    open50=label("opens", "mostly"),
    seldom_opens=label("opens", "seldom"),
    unmailed=is_missing("open_rate"),
    click5=at_least("clicks", "some"),
    click20=label("clicks", "often"),
    no_visit=label("visits_band", "none"),
    visit4=at_least("visits_band", "several"),
    visit10=label("visits_band", "many"),
    minutes15=label("minutes_band", "long"),
    youth=label("generation", "youth"),
    young=label("generation", "young"),
    senior=label("generation", "senior"),
    age_unknown=is_missing("age"),
    new=label("tenure_band", "new"),
    known=label("tenure_band", "known"),
    india=category("country", "IN"),
    emirates=category("country", "AE"),
    saudi=category("country", "SA"),
    britain=category("country", "GB"),
    states=category("country", "US"),
    germany=category("country", "DE"),
    france=category("country", "FR"),
    italy=category("country", "IT"),
    spain=category("country", "ES"),
    netherlands=category("country", "NL"),
    norway=category("country", "NO"),
    store=category("channel", "store"),
    web=category("channel", "web"),
    app=category("channel", "app"),
    gold=category("tier", "gold"),
    platinum=category("tier", "platinum"),
    suppressed=true("suppressed"),
    complaint=true("complaint"),
    app_user=true("app_user"),
    vip=true("vip"),
    bargains=true("bargains"),
)

WARM_UP = category("country", "PT") & label("generation", "older")
"""Two sets that no rule uses."""

s = SimpleNamespace(**LEAVES)

RULES = (
    # --- as marketing asks
    Rule("frequent buyers", s.many_3m & ~s.suppressed, ("many_3m.difference_cardinality(suppressed)",)),
    Rule("apparel and clicks", s.apparel75 & s.click20, ("apparel75.intersection_cardinality(click20)",)),
    Rule(
        "apparel and clicks, may be mailed",
        s.apparel75 & s.click20 & ~s.suppressed & ~s.complaint,
        (
            "(apparel75 & click20).difference_cardinality(suppressed | complaint)",
            "((apparel75 & click20) - complaint).difference_cardinality(suppressed)",
        ),
    ),
    Rule("rhythm and basket", s.fortnightly & s.basket500, ("fortnightly.intersection_cardinality(basket500)",)),
    Rule(
        "spends and stays",
        s.spend5k & s.minutes15 & s.visit4,
        ("(spend5k & minutes15).intersection_cardinality(visit4)",),
    ),
    Rule("opens one in four", s.open20 & s.active90, ("open20.intersection_cardinality(active90)",)),
    Rule(
        "buys anyway",
        s.frequent & s.active90 & s.seldom_opens & ~s.bargains,
        (
            "(frequent & active90 & seldom_opens).difference_cardinality(bargains)",
            "(frequent & seldom_opens & active90).difference_cardinality(bargains)",
        ),
    ),
    Rule(
        "win back",
        s.repeat & s.silent180 & ~s.frequent & ~s.suppressed,
        (
            "(repeat & silent180).difference_cardinality(frequent | suppressed)",
            "((repeat & silent180) - frequent).difference_cardinality(suppressed)",
        ),
    ),
    Rule(
        "apparel, not yet garden",
        s.apparel50 & s.active90 & ~s.garden20,
        ("(apparel50 & active90).difference_cardinality(garden20)",),
    ),
    Rule(
        "warm leads",
        s.lead & s.visit4 & (s.click5 | s.open50),
        (
            "(visit4 & lead).intersection_cardinality(click5 | open50)",
            "((click5 | open50) & visit4).intersection_cardinality(lead)",
        ),
    ),
    Rule(
        "young fashion",
        s.apparel75 & s.india & (s.youth | s.young),
        (
            "(apparel75 & india).intersection_cardinality(youth | young)",
            "(x := apparel75 & india).intersection_cardinality(youth) + x.intersection_cardinality(young)",
        ),
    ),
    Rule(
        "first order lately",
        s.once & s.warm30 & ~s.suppressed,
        ("(once & warm30).difference_cardinality(suppressed)",),
    ),
    Rule(
        "prospects without data",
        s.never & s.unmailed & s.no_visit,
        (
            "(never & unmailed).intersection_cardinality(no_visit)",
            "(no_visit & unmailed).intersection_cardinality(never)",
        ),
    ),
    Rule("gone cold", s.cold & s.repeat & s.open30, ("(cold & repeat).intersection_cardinality(open30)",)),
    Rule(
        "app lovers",
        s.app & s.app_user & s.visit10,
        (
            "(app_user & visit10).intersection_cardinality(app)",
            "(visit10 & app).intersection_cardinality(app_user)",
        ),
    ),
    Rule(
        "bargains on the web",
        s.bargains & s.web & ~s.vip,
        ("(bargains & web).difference_cardinality(vip)", "(bargains - vip).intersection_cardinality(web)"),
    ),
    # --- few sets, of all sizes
    Rule(
        "recent and frequent",
        s.active90 & s.frequent & ~s.suppressed,
        ("(frequent & active90).difference_cardinality(suppressed)",),
    ),
    Rule(
        "recent apparel in India",
        s.apparel75 & s.active90 & s.india & ~s.suppressed,
        (
            "(apparel75 & active90 & india).difference_cardinality(suppressed)",
            "(india & active90 & apparel75).difference_cardinality(suppressed)",
        ),
    ),
    Rule(
        "spends, opens, recent",
        s.spend5k & s.open20 & s.active90,
        (
            "(spend5k & open20).intersection_cardinality(active90)",
            "(spend5k & active90).intersection_cardinality(open20)",
        ),
    ),
    Rule("apparel and opens", s.apparel75 & s.open20, ("apparel75.intersection_cardinality(open20)",)),
    Rule("suppressed and valuable", s.vip & s.suppressed, ("vip.intersection_cardinality(suppressed)",)),
    Rule("two dense", s.known & s.silent180, ("known.intersection_cardinality(silent180)",)),
    Rule("dense without dense", s.known & ~s.no_visit, ("known.difference_cardinality(no_visit)",)),
    Rule("dense or dense", s.silent180 | s.no_visit, ("silent180.union_cardinality(no_visit)",)),
    Rule("two sparse", s.platinum & s.complaint, ("platinum.intersection_cardinality(complaint)",)),
    Rule("sparse in dense", s.complaint & s.known, ("complaint.intersection_cardinality(known)",)),
    Rule(
        "sparse or sparse or sparse",
        s.platinum | s.complaint | s.vip,
        ("(platinum | vip).union_cardinality(complaint)", "len(union(platinum, complaint, vip))"),
    ),
    Rule(
        "a handful",
        s.heavy & s.hot7 & s.basket1000 & s.norway & ~s.complaint,
        (
            "(heavy & hot7 & basket1000 & norway).difference_cardinality(complaint)",
            "(heavy & norway & hot7 & basket1000).difference_cardinality(complaint)",
        ),
    ),
    Rule(
        "one or the other",
        (s.frequent & ~s.app_user) | (s.app_user & ~s.frequent),
        ("frequent.symmetric_difference_cardinality(app_user)",),
    ),
    # --- nothing but negations
    Rule("may be mailed", ~s.suppressed & ~s.complaint, ("customers - suppressed.union_cardinality(complaint)",)),
    Rule(
        "bought, not lately",
        ~s.lead & ~s.suppressed & ~s.active90,
        (
            "customers - (lead | active90).union_cardinality(suppressed)",
            "customers - (active90 | suppressed).union_cardinality(lead)",
            "customers - len(union(lead, active90, suppressed))",
        ),
    ),
    Rule(
        "five negations",
        ~s.lead & ~s.silent180 & ~s.suppressed & ~s.complaint & ~s.unmailed,
        (
            "customers - (lead | silent180 | complaint | suppressed).union_cardinality(unmailed)",
            "customers - (complaint | suppressed | lead | silent180).union_cardinality(unmailed)",
            "customers - len(union(lead, silent180, suppressed, complaint, unmailed))",
        ),
    ),
    Rule(
        "neither valuable nor lost",
        ~(s.vip | s.platinum | (s.silent180 & s.no_visit)),
        (
            "customers - (silent180 & no_visit).union_cardinality(vip | platinum)",
            "customers - ((silent180 & no_visit) | vip).union_cardinality(platinum)",
        ),
    ),
    # --- unions
    Rule(
        "silent in two countries",
        one_of(s.india, s.emirates) & s.silent180 & ~s.suppressed,
        (
            "((india | emirates) & silent180).difference_cardinality(suppressed)",
            "(x := silent180 - suppressed).intersection_cardinality(india) + x.intersection_cardinality(emirates)",
        ),
    ),
    Rule(
        "engaged and recent",
        (s.open50 | s.apparel50) & s.active90 & ~s.suppressed,
        (
            "((open50 | apparel50) & active90).difference_cardinality(suppressed)",
            "((active90 - suppressed) & open50).union_cardinality((active90 - suppressed) & apparel50)",
            "(active90 - suppressed).intersection_cardinality(open50 | apparel50)",
        ),
    ),
    Rule(
        "valuable in three countries",
        (s.frequent | s.vip | s.spend5k) & one_of(s.india, s.britain, s.germany) & ~s.suppressed,
        (
            "((frequent | vip | spend5k) & (india | britain | germany)).difference_cardinality(suppressed)",
            "((frequent | vip | spend5k) - suppressed).intersection_cardinality(union(india, britain, germany))",
            "(x := (frequent | vip | spend5k) - suppressed).intersection_cardinality(india)"
            " + x.intersection_cardinality(britain) + x.intersection_cardinality(germany)",
        ),
    ),
    Rule(
        "either of two pairs",
        (s.repeat & s.apparel50) | (s.once & s.open50),
        (
            "(repeat & apparel50).union_cardinality(once & open50)",
            "repeat.intersection_cardinality(apparel50) + once.intersection_cardinality(open50)",
        ),
    ),
    Rule(
        "wide reach",
        s.active90 | s.frequent | s.open50 | s.apparel50,
        (
            "(active90 | frequent | open50).union_cardinality(apparel50)",
            "(frequent | open50).union_cardinality(active90 | apparel50)",
            "len(union(active90, frequent, open50, apparel50))",
        ),
    ),
    Rule(
        "gold in six countries",
        one_of(s.germany, s.france, s.italy, s.spain, s.netherlands, s.norway) & s.gold,
        (
            "gold.intersection_cardinality(union(germany, france, italy, spain, netherlands, norway))",
            "gold.intersection_cardinality(germany) + gold.intersection_cardinality(france)"
            " + gold.intersection_cardinality(italy) + gold.intersection_cardinality(spain)"
            " + gold.intersection_cardinality(netherlands) + gold.intersection_cardinality(norway)",
        ),
    ),
    Rule(
        "recent openers in five countries",
        s.active90 & s.open30 & one_of(s.emirates, s.saudi, s.britain, s.states, s.germany),
        (
            "(active90 & open30).intersection_cardinality(union(emirates, saudi, britain, states, germany))",
            "(x := active90 & open30).intersection_cardinality(emirates) + x.intersection_cardinality(saudi)"
            " + x.intersection_cardinality(britain) + x.intersection_cardinality(states)"
            " + x.intersection_cardinality(germany)",
        ),
    ),
    Rule(
        "frequent elsewhere",
        s.frequent & s.known & ~one_of(s.india, s.emirates, s.saudi),
        (
            "((frequent & known) - india - emirates).difference_cardinality(saudi)",
            "(frequent & known).difference_cardinality(india | emirates | saudi)",
        ),
    ),
    # --- many leaves
    Rule(
        "five and one not",
        s.once & s.silent180 & s.open50 & s.india & ~s.suppressed,
        (
            "(open50 & once & silent180 & india).difference_cardinality(suppressed)",
            "(once & india & silent180 & open50).difference_cardinality(suppressed)",
        ),
    ),
    Rule(
        "all of six",
        s.active90 & s.repeat & s.open30 & s.click5 & s.visit4 & s.india,
        (
            "(click5 & active90 & open30 & repeat & visit4).intersection_cardinality(india)",
            "(active90 & repeat & india & click5 & open30).intersection_cardinality(visit4)",
            "intersection(active90, repeat, india, click5, open30).intersection_cardinality(visit4)",
        ),
    ),
    Rule(
        "four and three not",
        s.frequent & s.active90 & s.basket500 & s.india & ~s.bargains & ~s.suppressed & ~s.complaint,
        (
            "((frequent & active90 & basket500 & india) - bargains - complaint).difference_cardinality(suppressed)",
            "((frequent & india & active90 & basket500) - bargains - complaint).difference_cardinality(suppressed)",
            "(frequent & active90 & india & basket500).difference_cardinality(bargains | suppressed | complaint)",
        ),
    ),
    Rule(
        "two of three",
        (s.active90 & s.repeat) | (s.active90 & s.open30) | (s.repeat & s.open30),
        (
            "((active90 & repeat) | (active90 & open30)).union_cardinality(repeat & open30)",
            "((repeat | open30) & active90).union_cardinality(repeat & open30)",
        ),
    ),
    Rule(
        "hot or warm and willing",
        ((s.hot7 & s.visit4) | (s.warm30 & s.click5)) & one_of(s.india, s.emirates) & ~(s.suppressed | s.complaint),
        (
            "(((hot7 & visit4) | (warm30 & click5)) & (india | emirates))"
            ".difference_cardinality(suppressed | complaint)",
            "((((hot7 & visit4) | (warm30 & click5)) & (india | emirates)) - complaint)"
            ".difference_cardinality(suppressed)",
            "(x := ((hot7 & visit4) | (warm30 & click5)) - suppressed - complaint)"
            ".intersection_cardinality(india) + x.intersection_cardinality(emirates)",
        ),
    ),
    Rule(
        "newcomers or rich, known age",
        ((s.new & s.visit4 & s.open30) | (s.spend1k & s.several_3m) | (s.senior & s.store & s.basket1000))
        & ~(s.age_unknown | s.suppressed),
        (
            "((new & open30 & visit4) | (several_3m & spend1k) | (senior & basket1000 & store))"
            ".difference_cardinality(age_unknown | suppressed)",
            "(((new & open30 & visit4) | (several_3m & spend1k) | (senior & basket1000 & store)) - age_unknown)"
            ".difference_cardinality(suppressed)",
        ),
    ),
    Rule(
        "twelve leaves",
        ((s.apparel50 & s.click5) | (s.garden20 & s.open30) | (s.frequent & s.visit4))
        & one_of(s.india, s.emirates, s.britain)
        & s.active90
        & ~(s.suppressed | s.complaint),
        (
            "(((apparel50 & click5) | (garden20 & open30) | (frequent & visit4)) & active90"
            " & (india | emirates | britain)).difference_cardinality(suppressed | complaint)",
            "(x := (((apparel50 & click5) | (garden20 & open30) | (frequent & visit4)) & active90)"
            " - suppressed - complaint).intersection_cardinality(india)"
            " + x.intersection_cardinality(emirates) + x.intersection_cardinality(britain)",
            "(x := (((apparel50 & click5 & active90) | (garden20 & open30 & active90) | (frequent & visit4 & active90))"
            " - suppressed - complaint)).intersection_cardinality(india)"
            " + x.intersection_cardinality(emirates) + x.intersection_cardinality(britain)",
        ),
    ),
    Rule(
        "twelve leaves, half of them not",
        (((s.repeat & ~s.silent180) | (s.new & s.visit4)) & ~(s.unmailed | s.age_unknown | s.suppressed))
        & one_of(s.store, s.web)
        & ((s.bargains & ~s.gold) | s.click5),
        (
            "((((repeat - silent180) | (new & visit4)) - unmailed - age_unknown - suppressed) & (store | web))"
            ".intersection_cardinality((bargains - gold) | click5)",
            "((((repeat - silent180) | (new & visit4)) & ((bargains - gold) | click5))"
            " - unmailed - age_unknown - suppressed).intersection_cardinality(store | web)",
            "(x := (((repeat - silent180) | (new & visit4)) & ((bargains - gold) | click5))"
            " - unmailed - age_unknown - suppressed).intersection_cardinality(store)"
            " + x.intersection_cardinality(web)",
            "((((repeat - silent180) | (new & visit4)) & ((bargains - gold) | click5))"
            " - unmailed - age_unknown - suppressed).difference_cardinality(app)",
        ),
    ),
)
