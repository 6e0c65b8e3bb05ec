-- dialect: polars
-- one row per: extracted exposure, with the reason why it cannot be used, or null
-- parameters: none; reads the table `extracted`
--
-- What a design makes unusable (another variant, another time) is not told here: a design may change, a partition does not.
select
    *,
    case when coalesce(session_id, '') = '' then 'an exposure of no session' end as reason
from extracted;
