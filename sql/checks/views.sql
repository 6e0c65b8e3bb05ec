-- dialect: polars
-- one row per: extracted view, with the reason why it cannot be used, or null
-- parameters: none; reads the table `extracted`
select
    *,
    case
        when product_id is null then 'a view of no product'
        when coalesce(session_id, '') = '' then 'a view of no session'
    end as reason
from extracted;
