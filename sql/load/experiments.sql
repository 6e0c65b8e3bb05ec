-- dialect: postgres
-- one row per: experiment of the file that is new or differs from what is stored
-- parameters: company
insert into "UpsellExperiment" (
    id, "companyId", "ruleId", name, description, status, control, variants, "variantWeights", "primaryMetric",
    "minimumSampleSize", "startedAt", "endedAt"
)
select
    %(company)s || ':' || s.experiment_id, %(company)s, r.id, s.name, s.description, s.status, s.control, s.variants,
    s.variant_weights, s.primary_metric, s.minimum_sample_size, s.started_at, s.ended_at
from staged_experiment s
left join "UpsellTargetingRule" r
    on r."companyId" = %(company)s and r.id in (s.rule_id, %(company)s || ':' || s.rule_id)
order by s.experiment_id
on conflict (id) do update set
    "ruleId" = excluded."ruleId", name = excluded.name, description = excluded.description, status = excluded.status,
    control = excluded.control, variants = excluded.variants, "variantWeights" = excluded."variantWeights",
    "primaryMetric" = excluded."primaryMetric", "minimumSampleSize" = excluded."minimumSampleSize",
    "startedAt" = excluded."startedAt", "endedAt" = excluded."endedAt", "updatedAt" = current_timestamp
where (
    excluded."ruleId", excluded.name, excluded.description, excluded.status, excluded.control, excluded.variants,
    excluded."variantWeights", excluded."primaryMetric", excluded."minimumSampleSize", excluded."startedAt",
    excluded."endedAt"
) is distinct from (
    "UpsellExperiment"."ruleId", "UpsellExperiment".name, "UpsellExperiment".description, "UpsellExperiment".status,
    "UpsellExperiment".control, "UpsellExperiment".variants, "UpsellExperiment"."variantWeights",
    "UpsellExperiment"."primaryMetric", "UpsellExperiment"."minimumSampleSize", "UpsellExperiment"."startedAt",
    "UpsellExperiment"."endedAt"
);
