"""Lists that were shown on a page, noted for the analysis: who saw what, of which generation, in which variant."""

from __future__ import annotations

from collections.abc import Sequence

from models.events import Event, recommendation_impression
from serving.company_documents import CompanyDocuments
from serving.lookup import Lookup, Visitor
from serving.sections import Arrangement, Live, Shown, Trial

NO_TRIAL = Trial()


def note(
    lookup: Lookup,
    live: Live,
    documents: CompanyDocuments,
    visitor: Visitor | None,
    product_id: str,
    page_id: bytes,
    arrangement: Arrangement,
    shown: Sequence[tuple[Shown, bytes | None]],
) -> None:
    """Note every section with products that a session was shown; nobody waits for it.

    shown: sections and their products, and those that the visitor's variant hides where another one shows them, with None: without
    them only the others' arm would have exposures. Nothing is noted without a session, or where the company tracks no impressions.
    """
    if lookup.intake is None or visitor is None or not visitor.session:
        return
    if not documents.recommendation_config["global"]["trackImpressions"]:
        return
    noted: list[Event] = []
    for section, products in shown:
        trial = arrangement.trials.get(section.kind, NO_TRIAL)
        ids = section.ids(products) if products else []
        if ids or section in arrangement.absent:
            event = recommendation_impression(
                page_id.decode() + section.ending,
                live.company,
                visitor.at,
                product_id,
                section.type,
                visitor.session,
                visitor.customer,
                trial.experiment_id,
                trial.variant,
                section.generation,
                ids,
            )
            noted.append(event)
    if noted and lookup.intake.note(*noted) and lookup.metrics is not None:
        lookup.metrics.count("recommendation_impressions", live.company, len(noted))
