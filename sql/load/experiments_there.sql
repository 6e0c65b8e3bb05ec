-- dialect: postgres
-- one row per: experiment of the company, by the id that a file may use for it
-- parameters: company
select e.id as experiment_id, e.id as stored_id from "UpsellExperiment" e where e."companyId" = %(company)s
union
select substr(e.id, length(%(company)s) + 2), e.id
from "UpsellExperiment" e
where e."companyId" = %(company)s and starts_with(e.id, %(company)s || ':')
order by experiment_id;
