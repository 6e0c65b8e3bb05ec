-- dialect: duckdb
-- one row per: experiment, variant and name of what is wrong with exposures or units of theirs, with their number
-- parameters: none; reads `designs`, `assigned`, `exposures`, `units`
--
-- The first reason that holds counts. An unknown experiment is one that is not analysed, too.
with judged as (
    select
        e.experiment_id,
        coalesce(e.variant, '') as variant,
        case
            when d.experiment_id is null then 'unknownExperiment'
            when e.variant is null then 'missingVariant'
            when a.variant is null then 'unknownVariant'
            when e.happened_at < d.started_at or e.happened_at >= d.ended_at then 'outsidePeriod'
            when d.unit = 'customer' and e.customer_id is null then 'missingUnit'
        end as name
    from exposures e
    left join designs d on d.experiment_id = e.experiment_id
    left join assigned a on a.experiment_id = e.experiment_id and a.variant = e.variant
)
select experiment_id, variant, name, count(*) as n
from judged
where name is not null
group by experiment_id, variant, name
union all
select experiment_id, case when reason = 'unitsInSeveralVariants' then '' else variant end, reason, count(*)
from units
where reason is not null
group by all
union all
select experiment_id, variant, 'repeatedEvents', sum(n_repeated) from units group by all having sum(n_repeated) > 0
union all
select experiment_id, variant, 'exposureAfterOutcome', sum(n_early) from units group by all having sum(n_early) > 0
order by experiment_id, name, variant;
