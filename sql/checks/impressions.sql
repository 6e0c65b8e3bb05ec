-- dialect: polars
-- one row per: extracted impression of an offer, with the reason why it cannot be used, or null
-- parameters: none; reads the table `extracted`
select
    *,
    case
        when coalesce(placement, '') = '' then 'an impression in no placement'
        when accepted_at < viewed_at or declined_at < viewed_at then 'answered before it was viewed'
    end as reason
from extracted;
