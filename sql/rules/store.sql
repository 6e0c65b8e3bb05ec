-- dialect: postgres
-- one row per: the rule as stored, none where another company has a rule of that id
-- parameters: company, row, at, name, description, priority, enabled, conditions, upsell_type, offer, message, urgency, placements,
--   max_impressions, max_acceptances, valid_from, valid_until
--
-- updatedAt is the version that clients hold a rule by: it rises with every write, whatever the clocks say.
insert into "UpsellTargetingRule" as r (
    id, "companyId", name, description, priority, enabled, conditions, "upsellType", offer, message, urgency, placements,
    "maxImpressions", "maxAcceptances", "validFrom", "validUntil", "createdAt", "updatedAt"
)
values (
    %(row)s, %(company)s, %(name)s, %(description)s, %(priority)s, %(enabled)s, %(conditions)s::jsonb,
    %(upsell_type)s::"UpsellType", %(offer)s::jsonb, %(message)s, %(urgency)s::"UpsellUrgency", %(placements)s::text[],
    %(max_impressions)s, %(max_acceptances)s, %(valid_from)s::timestamptz, %(valid_until)s::timestamptz, %(at)s::timestamptz,
    %(at)s::timestamptz
)
on conflict (id) do update set
    name = excluded.name,
    description = excluded.description,
    priority = excluded.priority,
    enabled = excluded.enabled,
    conditions = excluded.conditions,
    "upsellType" = excluded."upsellType",
    offer = excluded.offer,
    message = excluded.message,
    urgency = excluded.urgency,
    placements = excluded.placements,
    "maxImpressions" = excluded."maxImpressions",
    "maxAcceptances" = excluded."maxAcceptances",
    "validFrom" = excluded."validFrom",
    "validUntil" = excluded."validUntil",
    "updatedAt" = greatest(excluded."updatedAt", r."updatedAt" + interval '1 millisecond')
where r."companyId" = excluded."companyId"
returning
    r.id,
    r."companyId",
    r.name,
    r.description,
    r.priority,
    r.enabled,
    r.conditions::text as conditions,
    r."upsellType"::text as "upsellType",
    r.offer::text as offer,
    r.message,
    r.urgency::text as urgency,
    r.placements,
    r."maxImpressions",
    r."maxAcceptances",
    r."validFrom",
    r."validUntil",
    r."createdAt",
    r."updatedAt";
