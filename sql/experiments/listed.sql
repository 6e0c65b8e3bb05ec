-- dialect: postgres
-- one row per: experiment of the company, the youngest first, or the one asked for, then with its results
-- parameters: company, row
--
-- JSON is read as text, so that its numbers stay as they are.
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
    e."updatedAt",
    case when %(row)s::text is not null then e.results::text end as results
from "UpsellExperiment" e
where e."companyId" = %(company)s and (%(row)s::text is null or e.id = %(row)s)
order by e."createdAt" desc, e.id;
