-- dialect: postgres
-- one row per: experiment of the company that runs
-- parameters: company
--
-- Without the results, which nothing that is shown depends on. JSON is read as text, so that its numbers stay as they are.
select
    e.id,
    e."companyId",
    e."ruleId",
    e.name,
    e.description,
    e.status,
    e.control::text as control,
    e.variants::text as variants,
    e."trafficPercent",
    e."variantWeights"::text as "variantWeights",
    e."primaryMetric",
    e."minimumSampleSize",
    e."confidenceLevel",
    e."startedAt",
    e."endedAt",
    e."createdAt",
    e."updatedAt"
from "UpsellExperiment" e
where e."companyId" = %(company)s and e.status = 'RUNNING'
order by e.id;
