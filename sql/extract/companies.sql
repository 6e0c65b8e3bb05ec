-- dialect: postgres
-- one row per: company that gets a night
-- parameters: none
select id
from "Company"
where coalesce(upper(status::text), 'ACTIVE') = 'ACTIVE'
order by id;
