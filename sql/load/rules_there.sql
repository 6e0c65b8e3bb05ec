-- dialect: postgres
-- one row per: targeting rule of the company, by the id that a file may use for it
-- parameters: company
select r.id as rule_id, r.id as stored_id from "UpsellTargetingRule" r where r."companyId" = %(company)s
union
select substr(r.id, length(%(company)s) + 2), r.id
from "UpsellTargetingRule" r
where r."companyId" = %(company)s and starts_with(r.id, %(company)s || ':')
order by rule_id;
