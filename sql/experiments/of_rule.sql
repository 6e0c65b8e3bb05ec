-- dialect: postgres
-- one row per: experiment of the company on the rule that has begun and is not over
-- parameters: company, rule
select id
from "UpsellExperiment"
where "companyId" = %(company)s and "ruleId" = %(rule)s and status in ('RUNNING', 'PAUSED')
order by id;
