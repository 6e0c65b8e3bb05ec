-- dialect: postgres
-- one row per: experiment whose results change
-- parameters: company, experiment, latest, day, entry
--
-- One statement over what is stored at that moment, and only the results: another day's entry and a status that was changed
-- meanwhile stay. An older watermark replaces neither the latest results nor a later entry of the same day.
with merged as (
    select
        e.id,
        jsonb_build_object(
            'latest',
            case
                when (e.results #>> '{latest,watermark}')::timestamptz > (%(latest)s::jsonb ->> 'watermark')::timestamptz
                    then e.results -> 'latest'
                else %(latest)s::jsonb
            end,
            'history',
            case when jsonb_typeof(e.results -> 'history') = 'object' then e.results -> 'history' else '{}' end
            || case
                when (e.results -> 'history' -> %(day)s::text ->> 'watermark')::timestamptz
                    > (%(entry)s::jsonb ->> 'watermark')::timestamptz
                    then '{}'
                else jsonb_build_object(coalesce(%(day)s, ''), %(entry)s::jsonb)
            end
        ) as results
    from "UpsellExperiment" e
    where e.id = %(experiment)s and e."companyId" = %(company)s
)
update "UpsellExperiment" e
set results = m.results, "updatedAt" = current_timestamp
from merged m
where e.id = m.id and e.results is distinct from m.results;
