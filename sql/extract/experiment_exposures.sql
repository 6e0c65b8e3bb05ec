-- dialect: postgres
-- one row per: impression within an experiment, of an offer or of a list of recommendations, in [start, until)
-- parameters: company, start, until
--
-- `subject_id` is what was shown: a rule, or the page of a list. Revenue that a client sent leaves as a claim, in whole cents.
select
    i."experimentId" as experiment_id,
    nullif(i.variant, '') as variant,
    i."sessionId" as session_id,
    nullif(i."customerId", '') as customer_id,
    i.placement as placement,
    i."ruleId" as subject_id,
    i."viewedAt" as happened_at,
    i."clickedAt" as clicked_at,
    null::timestamptz as added_at,
    i."acceptedAt" as accepted_at,
    i."declinedAt" as declined_at,
    (nullif(i.revenue, 'NaN') * 100)::bigint as claimed_revenue_cents
from "UpsellImpression" i
where
    i."companyId" = %(company)s and i."experimentId" is not null
    and i."viewedAt" >= %(start)s and i."viewedAt" < %(until)s
union all
select
    i."experimentId",
    nullif(i.variant, ''),
    i."sessionId",
    nullif(i."customerId", ''),
    i.type,
    i."productId",
    i."impressedAt",
    i."clickedAt",
    i."addedAt",
    null,
    null,
    null
from "RecommendationImpression" i
where
    i."companyId" = %(company)s and i."experimentId" is not null
    and i."impressedAt" >= %(start)s and i."impressedAt" < %(until)s
