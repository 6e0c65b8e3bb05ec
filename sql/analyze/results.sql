-- dialect: postgres
-- one row per: experiment of the company that has results
-- parameters: company
select id as experiment_id, name, status::text as status, "primaryMetric" as primary_metric, results
from "UpsellExperiment"
where "companyId" = %(company)s and results ? 'latest'
order by id;
