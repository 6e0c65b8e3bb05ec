-- dialect: postgres
-- one row per: stored impression of an offer that a batch says was accepted or declined
-- parameters: none
--
-- What is said again changes nothing, unless the opposite was said in between: then the later instant stands, so that the later of
-- the two tells the last word. A batch that is read twice leaves the same rows.
with said as (
    select id, "companyId", at as accepted, null::bigint as declined, revenue from event_accept
    union all
    select id, "companyId", null, at, null from event_decline
),

last_said as (
    select
        id, "companyId",
        timestamptz 'epoch' + max(accepted) * interval '1 millisecond' as accepted_at,
        timestamptz 'epoch' + max(declined) * interval '1 millisecond' as declined_at,
        (array_agg(revenue order by accepted desc nulls last))[1] as revenue
    from said
    group by id, "companyId"
),

applied as (
    select
        i.id, s.accepted_at, s.declined_at, s.revenue,
        case
            when i."acceptedAt" is null then s.accepted_at is not null
            else s.accepted_at > i."acceptedAt" and greatest(i."declinedAt", s.declined_at) > i."acceptedAt"
        end as accepts,
        case
            when i."declinedAt" is null then s.declined_at is not null
            else s.declined_at > i."declinedAt" and greatest(i."acceptedAt", s.accepted_at) > i."declinedAt"
        end as declines
    from last_said s
    join "UpsellImpression" i on i.id = s.id and i."companyId" = s."companyId"
)

update "UpsellImpression" i set
    "acceptedAt" = case when a.accepts then a.accepted_at else i."acceptedAt" end,
    revenue = case when a.accepts then a.revenue else i.revenue end,
    "declinedAt" = case when a.declines then a.declined_at else i."declinedAt" end,
    "updatedAt" = current_timestamp
from applied a
where a.id = i.id and (a.accepts or a.declines);
