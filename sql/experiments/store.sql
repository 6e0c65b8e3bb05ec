-- dialect: postgres
-- one row per: the experiment as stored, none where another company has one of that id
-- parameters: company, row, at, rule, name, description, status, control, variants, traffic_percent, variant_weights,
--   primary_metric, minimum_sample_size, confidence_level, started_at, ended_at
--
-- updatedAt is the version that clients hold an experiment by. The results are the analysis' own: neither changed nor read here.
insert into "UpsellExperiment" as e (
    id, "companyId", "ruleId", name, description, status, control, variants, "trafficPercent", "variantWeights", "primaryMetric",
    "minimumSampleSize", "confidenceLevel", "startedAt", "endedAt", "createdAt", "updatedAt"
)
values (
    %(row)s, %(company)s, %(rule)s, %(name)s, %(description)s, %(status)s, %(control)s::jsonb, %(variants)s::jsonb,
    %(traffic_percent)s::numeric, %(variant_weights)s::jsonb, %(primary_metric)s, %(minimum_sample_size)s,
    %(confidence_level)s::numeric, %(started_at)s::timestamptz, %(ended_at)s::timestamptz, %(at)s::timestamptz,
    %(at)s::timestamptz
)
on conflict (id) do update set
    "ruleId" = excluded."ruleId",
    name = excluded.name,
    description = excluded.description,
    status = excluded.status,
    control = excluded.control,
    variants = excluded.variants,
    "trafficPercent" = excluded."trafficPercent",
    "variantWeights" = excluded."variantWeights",
    "primaryMetric" = excluded."primaryMetric",
    "minimumSampleSize" = excluded."minimumSampleSize",
    "confidenceLevel" = excluded."confidenceLevel",
    "startedAt" = excluded."startedAt",
    "endedAt" = excluded."endedAt",
    "updatedAt" = greatest(excluded."updatedAt", e."updatedAt" + interval '1 millisecond')
where e."companyId" = excluded."companyId"
returning
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
    e."updatedAt";
