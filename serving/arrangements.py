"""A generation's sections for a visitor: as the company has set them since, and as the visitor's variants change them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from models.edge_experiments import EdgeExperiment, read
from models.generation import Manifest, manifest_key
from serving.company_documents import CompanyDocuments
from serving.errors import StoreAway
from serving.section_changes import GENERATION, changed, fields_set, most_sections
from serving.sections import Arrangement, Live, Trial, to_json
from serving.store import Store

log = logging.getLogger("serving.experiments")
SECTIONS = "sections"
# combinations of variants, of a company that runs more experiments than anybody could read
MOST_MADE = 1_000

Variants = tuple[tuple[str, str, frozenset[str]], ...]


@dataclass(slots=True)
class Arranged:
    """What was made of a live generation for one state of the company's documents.

    everybody: what a visitor without a variant is shown. experiments: those on sections, with the kinds that each is about; None
    until somebody has asked for them. made: variants -> arrangement.
    """

    documents: CompanyDocuments
    everybody: Arrangement
    experiments: tuple[tuple[EdgeExperiment, frozenset[str]], ...] | None = None
    manifests: dict[str, Manifest] = field(default_factory=dict)
    made: dict[Variants, Arrangement] = field(default_factory=dict)


def arranged(live: Live, documents: CompanyDocuments) -> Arranged:
    """What was made of the generation for these documents, made anew where there are others."""
    held = live.arranged
    if held is None or held.documents is not documents:
        held = live.arranged = Arranged(documents, _configured(live, documents))
    return held


async def for_visitor(
    live: Live, documents: CompanyDocuments, store: Store, customer: str, session: str, now: datetime
) -> Arrangement:
    """The sections as a visitor's variants have them; awaits nothing but the store.

    Of two experiments on one section the first counts (models/edge_experiments.py). Where impressions are not tracked nobody is in
    one: what could not be read is not run.
    """
    held = arranged(live, documents)
    if not documents.experiments or not documents.recommendation_config["global"]["trackImpressions"]:
        return held.everybody
    if held.experiments is None:
        try:
            await _prepare(held, live, store)
        except StoreAway:
            return held.everybody
    variants = tuple(_variants(held.experiments or (), customer, session, now))
    if not variants:
        return held.everybody
    if variants not in held.made:
        if len(held.made) >= MOST_MADE:
            held.made.clear()
        held.made[variants] = _varied(live, held, variants)
    return held.made[variants]


def _variants(
    experiments: Iterable[tuple[EdgeExperiment, frozenset[str]]], customer: str, session: str, now: datetime
) -> Iterator[tuple[str, str, frozenset[str]]]:
    """(experiment, variant, kinds) of a visitor."""
    taken: frozenset[str] = frozenset()
    for experiment, kinds in experiments:
        own = kinds - taken
        if own and experiment.is_running(now):
            taken |= own
            variant = experiment.variant_for(customer, session)
            if variant is not None:
                yield experiment.id, variant, own


async def _prepare(held: Arranged, live: Live, store: Store) -> None:
    """Read the manifests of other generations that variants name, and leave out the experiments that cannot be followed."""

    def tell(sentence: str) -> None:
        log.warning("An experiment cannot be followed", extra={"company": live.company, "reason": sentence})

    found = [(row, _by_kind(row)) for row in read(held.documents.experiments, tell) if row.rule_id is None]
    named = sorted({each for _, by_kind in found for changes in by_kind.values() for each in _generations(changes)})
    values = await store.read([manifest_key(live.company, each).encode() for each in named]) if named else []
    for name, value in zip(named, values, strict=True):
        if value is not None:
            held.manifests[name] = Manifest.from_json(value)
    kept = []
    for row, by_kind in found:
        try:
            for kind, changes in by_kind.items():
                for change in changes.values():
                    changed(live, held.manifests, kind, change)
            kept.append((row, frozenset(by_kind)))
        except (ValueError, TypeError) as error:
            tell(f"{row.id}: {error}")
    held.experiments = tuple(kept)


def _by_kind(experiment: EdgeExperiment) -> dict[str, dict[str, Any]]:
    """Kind -> variant -> what it changes of the kind's section."""
    found: dict[str, dict[str, Any]] = {}
    for variant, changes in experiment.changes.items():
        given = changes.get(SECTIONS)
        for kind, change in given.items() if isinstance(given, Mapping) else ():
            found.setdefault(kind, {})[variant] = change
    return found


def _generations(changes: Mapping[str, Any]) -> Iterable[str]:
    named = (change.get(GENERATION) for change in changes.values() if isinstance(change, Mapping))
    return (each for each in named if isinstance(each, str))


def _varied(live: Live, held: Arranged, variants: Variants) -> Arrangement:
    experiments = {experiment.id: experiment for experiment, _ in held.experiments or ()}
    sections, trials, absent = dict(held.everybody.sections), {}, []
    for id, variant, kinds in variants:
        by_kind = _by_kind(experiments[id])
        for kind in kinds:
            trials[kind] = Trial(id, variant)
            own = by_kind[kind].get(variant)
            if own:
                # a title is everybody's, unless guests have one of their own
                own = {"titleForGuests": own["title"], **own} if "title" in own else own
                change = {**_set(live, held.documents, kind), **own}
                sections[kind] = changed(live, held.manifests, kind, change)
            if not sections[kind].enabled and any("enabled" in change for change in by_kind[kind].values()):
                absent.append(sections[kind])
    tag = [*held.everybody.tag, *(name for trial in sorted(set(trials.values())) for name in trial)]
    return Arrangement(sections, held.everybody.max_sections, tag, trials, absent)


def _set(live: Live, documents: CompanyDocuments, kind: str) -> dict[str, Any]:
    return fields_set(live, documents.recommendation_config, kind, documents.recommendation_config_version > 0)


def _configured(live: Live, documents: CompanyDocuments) -> Arrangement:
    """The sections as the company's configuration has them by now: the generation itself, where it was built of the same."""
    sections, tag = dict(live.sections), []
    for kind in live.sections:
        change = _set(live, documents, kind)
        if change:
            sections[kind] = changed(live, {}, kind, change)
            tag += [kind, to_json(change).decode()]
    most = most_sections(live, documents.recommendation_config, documents.recommendation_config_version > 0)
    return Arrangement(sections, most, tag) if tag or most != live.max_sections else live
