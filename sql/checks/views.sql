-- dialect: duckdb
-- one row per: extracted view, with the reason why it cannot be used, or null
-- parameters: none; reads the table `extracted`
select
    *,
    case
        when view_id is null then 'a view without an id'
        when product_id is null then 'a view of no product'
        when coalesce(session_id, '') = '' then 'a view of no session'
    end as reason
from extracted
order by viewed_at, session_id, view_id;
