"""One section, changed: by the company's configuration since the generation was built, or by a variant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from models.configuration import FIELDS, merge
from models.generation import Kind, Manifest, Section
from serving.sections import Live, Shown, Source, to_json

# type of a section -> the part of the configuration that is about it
PARTS = {"ALSO_BOUGHT": "alsoBought", "YOU_MIGHT_LIKE": "youMightLike", "FREQUENTLY_VIEWED": "frequentlyViewed"}
# settings that every section has of also-bought's, where its own part has none
SHARED = ("showRatings", "showQuickAdd")
KIND, GENERATION = "kind", "generation"
PLAIN = ("enabled", "title")
OF_RULES = ("maxResults", "titleForGuests", "excludeRecentlyViewed")
# what decides of the products themselves; everything else is about what stands around them
OF_PRODUCTS = (KIND, GENERATION, "maxResults", "excludeRecentlyViewed")
DEFAULTS = merge({}).parts
CHECKS = FIELDS["youMightLike"] | FIELDS["alsoBought"]


def changed(live: Live, manifests: Mapping[str, Manifest], kind: str, change: Any) -> Shown:
    """A section of the live generation with `change` over it.

    change: `kind`, another one of the same form to have the payloads of; `generation`, another one of `manifests`, by id; enabled,
    title, titleForGuests, maxResults (of what is published), excludeRecentlyViewed, and whatever the section's config shows.
    Raises ValueError for what cannot be, naming it.
    """
    row, section = _found(live.manifest, kind)
    if not isinstance(change, Mapping):
        raise ValueError(f"sections.{kind} is {change!r}: give an object.")
    for name, value in change.items():
        if not _fits(section, name, value):
            raise ValueError(f"sections.{kind} has {name} {value!r}, which the section cannot have.")
    varied = replace(
        section,
        title=change.get("title", section.title),
        enabled=change.get("enabled", section.enabled),
        config={name: change.get(name, value) for name, value in section.config.items()},
        rules={**section.rules, **{name: change[name] for name in OF_RULES if name in change}},
    )
    return Shown(live.manifest, row, varied, _source(live, manifests, row, section, change))


def fields_set(live: Live, config: Mapping[str, Any], kind: str, is_stored: bool) -> dict[str, Any]:
    """What the company's configuration has otherwise than the generation's section, as a change.

    Where none is stored, what stands at its default was never set: there the generation is right until the next one.
    """
    _, section = _found(live.manifest, kind)
    part = PARTS.get(section.type)
    if part is None:
        return {}
    shared = {
        name: config["alsoBought"][name]
        for name in SHARED
        if is_stored or config["alsoBought"][name] != DEFAULTS["alsoBought"][name]
    }
    given = shared | {name: value for name, value in config[part].items() if is_stored or value != DEFAULTS[part][name]}
    return {name: value for name, value in given.items() if _held(section, name) not in (value, None)}


def most_sections(live: Live, config: Mapping[str, Any], is_stored: bool) -> int:
    """How many sections a page has at most, by the same rule."""
    given: int = config["global"]["maxSectionsPerPage"]
    return given if is_stored or given != DEFAULTS["global"]["maxSectionsPerPage"] else live.max_sections


def _found(manifest: Manifest, kind: str) -> tuple[Kind, Section]:
    for row in manifest.kinds:
        if row.kind == kind and row.section is not None:
            return row, row.section
    raise ValueError(f"sections.{kind} is no section of the generation {manifest.id}.")


def _held(section: Section, name: str) -> Any:
    """What the section has of a setting, None where it knows no such."""
    if name in PLAIN:
        return getattr(section, name)
    return section.rules.get(name) if name in OF_RULES else section.config.get(name)


def _fits(section: Section, name: str, value: Any) -> bool:
    if name in (KIND, GENERATION):
        return isinstance(value, str)
    if name not in (*PLAIN, *OF_RULES, *section.config):
        return False
    _, check = FIELDS.get(PARTS.get(section.type, ""), {}).get(name) or CHECKS.get(name) or (None, lambda _: False)
    return check(value)


def _source(live: Live, manifests: Mapping[str, Manifest], row: Kind, section: Section, change: Mapping[str, Any]) -> Source | None:
    of_products = {name: change[name] for name in OF_PRODUCTS if name in change}
    if not of_products:
        return None
    kind, generation = change.get(KIND, row.kind), change.get(GENERATION, live.generation)
    manifest = live.manifest if generation == live.generation else manifests.get(generation)
    if manifest is None:
        raise ValueError(f"sections.{row.kind}.generation is {generation!r}, which is not kept.")
    if not any((each.kind, each.form) == (kind, row.form) for each in manifest.kinds):
        raise ValueError(f"sections.{row.kind}.kind is {kind!r}, which is no kind of {row.form} in {generation}.")
    if manifest is not live.manifest and (section.extras or not live.manifest.has_fragments):
        # a bundle's prices would be old ones, as would those of products that nothing tells the present ones of
        raise ValueError(f"sections.{row.kind} cannot show another generation's products at their present prices.")
    digest = blake2b(to_json(of_products), digest_size=8).hexdigest()
    return Source(manifest, kind, f"changed:{digest}:{live.generation}:".encode())
