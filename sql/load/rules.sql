-- dialect: postgres
-- one row per: targeting rule of the file that is new or differs from what is stored
-- parameters: company
insert into "UpsellTargetingRule" (
    id, "companyId", name, description, priority, enabled, conditions, "upsellType", offer, message, urgency, placements,
    "maxImpressions", "maxAcceptances", "validFrom", "validUntil"
)
select
    %(company)s || ':' || s.rule_id, %(company)s, s.name, s.description, s.priority, s.enabled, s.conditions,
    s.upsell_type::"UpsellType", s.offer, s.message, s.urgency::"UpsellUrgency", s.placements, s.max_impressions,
    s.max_acceptances, s.valid_from, s.valid_until
from staged_rule s
order by s.rule_id
on conflict (id) do update set
    name = excluded.name, description = excluded.description, priority = excluded.priority, enabled = excluded.enabled,
    conditions = excluded.conditions, "upsellType" = excluded."upsellType", offer = excluded.offer,
    message = excluded.message, urgency = excluded.urgency, placements = excluded.placements,
    "maxImpressions" = excluded."maxImpressions", "maxAcceptances" = excluded."maxAcceptances",
    "validFrom" = excluded."validFrom", "validUntil" = excluded."validUntil", "updatedAt" = current_timestamp
where (
    excluded.name, excluded.description, excluded.priority, excluded.enabled, excluded.conditions,
    excluded."upsellType", excluded.offer, excluded.message, excluded.urgency, excluded.placements,
    excluded."maxImpressions", excluded."maxAcceptances", excluded."validFrom", excluded."validUntil"
) is distinct from (
    "UpsellTargetingRule".name, "UpsellTargetingRule".description, "UpsellTargetingRule".priority,
    "UpsellTargetingRule".enabled, "UpsellTargetingRule".conditions, "UpsellTargetingRule"."upsellType",
    "UpsellTargetingRule".offer, "UpsellTargetingRule".message, "UpsellTargetingRule".urgency,
    "UpsellTargetingRule".placements, "UpsellTargetingRule"."maxImpressions", "UpsellTargetingRule"."maxAcceptances",
    "UpsellTargetingRule"."validFrom", "UpsellTargetingRule"."validUntil"
);
