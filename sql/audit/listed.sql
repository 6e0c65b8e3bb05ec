-- dialect: postgres
-- one row per: write of something of the company, or with '' of what holds for all, the last first
-- parameters: company, before, most
select
    id,
    "writtenAt",
    "writtenBy",
    action,
    resource,
    "resourceId",
    before::text as before,
    after::text as after,
    "requestId"
from "UpsellAudit"
where coalesce("companyId", '') = %(company)s and (%(before)s::bigint is null or id < %(before)s)
order by id desc
limit %(most)s;
