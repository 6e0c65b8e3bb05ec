"""Companies' targeting rules, compiled once for a generation until somebody changes them, with what was learnt of them."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from models import edge_experiments, offer_counters, targeting_rules
from models.bulk_fields import Fault
from models.generation import WHOLE_COMPANY
from models.targeting import Targeting
from models.targeting_facts import FREE_SHIPPING, Product, Rates, Rule
from serving import catalogue
from serving.catalogue import Wanted, zone_of
from serving.company_documents import CompanyDocuments
from serving.live_sessions import Command
from serving.lookup import Lookup
from serving.sections import Live

log = logging.getLogger("serving.offers")
ACCEPTANCE, SEGMENTS = "upsell-acceptance", "segments"
# about 4 KB each
MOST_RULES = 20_000
MOST_COMBINATIONS = 64

# rule -> the experiment that it is under, and the visitor's variant
Variants = Mapping[str, tuple[str, str]]


class Unreadable(NamedTuple):
    """A rule that is stored and cannot be followed."""

    id: str
    name: str
    faults: Sequence[Fault]


class Learnt(NamedTuple):
    """What the live generation says of the rules: acceptance, the rows of the company's thresholds, and the products that rules
    name, as far as they are sold."""

    rates: Rates
    thresholds: Sequence[Mapping[str, Any]]
    products: Mapping[str, catalogue.Product]
    offered: Mapping[str, Product]


class RuleSet:
    """A company's rules under one generation. A rule that cannot be read is left out, told to the log, and kept in `unreadable`.

    names: of the rules, by id. capped: ids of those with a cap on acceptances. closes: whether one closes the gap to free shipping.
    written: what answers said of offers before, as JSON around their tokens (serving/cart_answers.py).
    """

    def __init__(self, live: Live, documents: CompanyDocuments) -> None:
        self.company, self.generation = live.company, live.generation
        self._rules, self._experiments = documents.rules, documents.experiments
        self._zone = zone_of(live.company, live.timezone).key
        self.unreadable: list[Unreadable] = []
        self.learnt: Learnt | None = None
        self.written: dict[tuple[Any, ...], tuple[bytes, bytes]] = {}
        read = {str(document.get("id", "")): document for document in reversed(self._rules)}
        rules = {id: rule for id, document in read.items() if (rule := self._read(document)) is not None}
        self.names = {id: rule.name for id, rule in rules.items()}
        self.capped = sorted(rule.id for rule in rules.values() if rule.max_acceptances is not None)
        self._accepted = [offer_counters.accepted_key(live.company, id) for id in self.capped]
        self.closes = any(rule.upsell_type == FREE_SHIPPING for rule in rules.values())
        self.targeting = Targeting(rules.values())
        found = edge_experiments.read(self._experiments, self._tell)
        self.experiments = [row for row in found if row.rule_id in rules]
        self._varied = dict(self._of_variants(rules, read))
        every = (*rules.values(), *self._varied.values())
        self.named = sorted({id for rule in every for id in (rule.offer.bonus_product, rule.offer.free_gift) if id is not None})
        self._combinations: OrderedDict[tuple[tuple[str, str], ...], Targeting] = OrderedDict()

    def __len__(self) -> int:
        return len(self.names)

    def is_of(self, live: Live, documents: CompanyDocuments) -> bool:
        """Whether it was made of these."""
        same = self._rules is documents.rules and self._experiments is documents.experiments
        return same and self.generation == live.generation

    def counters(self, day: str, subject: str) -> Command:
        """The command that reads what a visit counts, for `offer_counters.read_counts` of `capped`."""
        eval_, script, n, *own = offer_counters.counts_command(self.company, day, subject, ())
        return (eval_, script, n + len(self._accepted), *own, *self._accepted)

    def for_visitor(self, customer: str, session: str, now: datetime) -> tuple[Targeting, Variants]:
        """The rules as this visitor gets them: under a running experiment, those of their variant."""
        variants: dict[str, tuple[str, str]] = {}
        decided: set[str | None] = set()
        for row in self.experiments:
            if row.rule_id in decided or not row.is_running(now):
                continue
            # of two experiments on one rule the first one counts, also for those outside its traffic
            decided.add(row.rule_id)
            variant = row.variant_for(customer, session)
            if variant is not None and row.rule_id is not None:
                variants[row.rule_id] = (row.id, variant)
        chosen = tuple([pair for pair in variants.values() if pair in self._varied])
        return (self._combined(chosen) if chosen else self.targeting), variants

    def _combined(self, chosen: tuple[tuple[str, str], ...]) -> Targeting:
        made = self._combinations.get(chosen)
        if made is None:
            made = self._combinations[chosen] = self.targeting.varied([self._varied[pair] for pair in chosen])
            if len(self._combinations) > MOST_COMBINATIONS:
                self._combinations.popitem(last=False)
        return made

    def _of_variants(self, rules: Mapping[str, Rule], documents: Mapping[str, Mapping[str, Any]]) -> Any:
        """((experiment, variant), rule) wherever a variant's rule is another one; one that cannot be read changes nothing."""
        for row in self.experiments:
            assert row.rule_id is not None
            for variant in row.weights:
                document = edge_experiments.varied_rule(documents[row.rule_id], row.changes_of(variant))
                rule = self._read(document, f"the variant {variant} of {row.id}")
                if rule is not None and rule != rules[row.rule_id]:
                    yield (row.id, variant), rule

    def _read(self, document: Mapping[str, Any], variant: str = "") -> Rule | None:
        rule, faults = targeting_rules.read(document, self._zone)
        if rule is not None and rule.id:
            return rule
        faults = faults or [{"field": "id", "message": "id must be a text."}]
        named = Unreadable(str(document.get("id")), str(document.get("name")), faults)
        if not variant:
            self.unreadable.append(named)
        self._tell(" ".join(fault["message"] for fault in faults), ruleId=named.id, variant=variant or None)
        return None

    def _tell(self, reason: str, **context: str | None) -> None:
        log.warning("A stored rule cannot be followed", extra={"company": self.company, "reason": reason, **context})


class RuleSets:
    """Those of the companies that were asked last, up to MOST_RULES rules in all."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, RuleSet] = OrderedDict()
        self._n_rules = 0

    async def of(self, lookup: Lookup, live: Live, documents: CompanyDocuments) -> tuple[RuleSet, Learnt]:
        """The company's rules and what was learnt of them; one read where they are new to this process. Raises StoreAway."""
        held = self._held.get(live.company)
        if held is None or not held.is_of(live, documents):
            held = RuleSet(live, documents)
            self._keep(held)
        else:
            self._held.move_to_end(live.company)
        if held.learnt is not None:
            return held, held.learnt
        learnt, is_there = await _learnt(lookup, live, held)
        # a store that was flushed may fill again
        if is_there:
            held.learnt = learnt
        return held, learnt

    def _keep(self, made: RuleSet) -> None:
        self._forget(made.company)
        self._held[made.company] = made
        self._n_rules += len(made)
        while self._n_rules > MOST_RULES and len(self._held) > 1:
            self._forget(next(iter(self._held)))

    def _forget(self, company: str) -> None:
        dropped = self._held.pop(company, None)
        self._n_rules -= len(dropped) if dropped is not None else 0


async def _learnt(lookup: Lookup, live: Live, rules: RuleSet) -> tuple[Learnt, bool]:
    """What the generation holds, and whether it is there at all."""
    wanted = Wanted(live.company)
    manifest = wanted.manifest(live)
    acceptance = {anchor: wanted.evidence(live, ACCEPTANCE, anchor) for anchor in (WHOLE_COMPANY, *rules.names)}
    thresholds = wanted.evidence(live, SEGMENTS, WHOLE_COMPANY)
    named = {id: wanted.product(live, id) for id in rules.named}
    await wanted.read(lookup)
    read = {id: catalogue.Product.read(id, wanted.get(key)) for id, key in named.items()}
    products = {id: product for id, product in read.items() if product is not None}
    offered = {id: fact for id, product in products.items() if (fact := offerable(product)) is not None}
    rates = Rates.read({anchor: wanted.rows(key) for anchor, key in acceptance.items()})
    return Learnt(rates, wanted.rows(thresholds), products, offered), wanted.get(manifest) is not None


def offerable(product: catalogue.Product) -> Product | None:
    """A published product as one to offer; None where it has no price."""
    if product.price is None:
        return None
    return Product(product.id, product.name, product.price, product.cost, bool(product.in_stock))
