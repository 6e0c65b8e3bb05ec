-- dialect: postgres
-- one row per: experiment of the company that has begun, or may have
-- parameters: company
select
    id as experiment_id,
    name,
    status::text as status,
    control,
    variants,
    "variantWeights" as variant_weights,
    "primaryMetric" as primary_metric,
    "minimumSampleSize" as minimum_sample_size,
    "confidenceLevel"::float8 as confidence_level,
    "startedAt" as started_at,
    "endedAt" as ended_at
from "UpsellExperiment"
where "companyId" = %(company)s and status::text <> 'DRAFT'
order by id;
