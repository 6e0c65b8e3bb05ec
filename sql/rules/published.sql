-- dialect: postgres
-- one row per: targeting rule of the company, or the one asked for
-- parameters: company, row
--
-- In the order in which they apply. JSON is read as text, so that its numbers stay as they are.
select
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
    r."updatedAt"
from "UpsellTargetingRule" r
where r."companyId" = %(company)s and (%(row)s::text is null or r.id = %(row)s)
order by r.priority, r.id;
