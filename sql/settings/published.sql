-- dialect: postgres
-- one row per: the company's settings and flags, or with '' those for all
-- parameters: company
--
-- JSON is read as text, so that its numbers stay as they are.
select
    s."companyId",
    s.flags::text as flags,
    s.settings::text as settings,
    s."createdAt",
    s."updatedAt"
from "UpsellSettings" s
where coalesce(s."companyId", '') = %(company)s;
