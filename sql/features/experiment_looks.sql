-- dialect: duckdb
-- one row per: experiment, variant and UTC midnight (days since 1970) by which units' windows were over for the first time
-- parameters: none; reads `designs`, `units`
--
-- Units whose windows are not over stand at a null day.
select
    u.experiment_id,
    u.variant,
    case
        when u.reason is null
            then (epoch_us(u.exposed_at) + (d.window_days * 86400000000)::bigint + 86399999999) // 86400000000
    end as day,
    count(*) as n,
    min(u.exposed_at) as first_exposed_at,
    max(u.cap_cents) as cap_cents,
    count(*) filter (where u.uncapped_revenue_cents > u.cap_cents) as n_capped
from units u
join designs d using (experiment_id)
where u.reason is null or u.reason = 'unitsWithOpenWindow'
group by all
order by u.experiment_id, u.variant, day;
