-- dialect: polars
-- one row per: extracted order, with the reason why it cannot be an outcome, or null
-- parameters: none; reads the table `extracted`
select
    * exclude (is_foreign),
    case
        when total_cents is null then 'total is no number'
        when total_cents < 0 then 'total is negative'
        when is_foreign then 'currency is not the company''s'
    end as reason
from extracted;
