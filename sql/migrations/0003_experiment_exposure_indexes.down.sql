-- dialect: postgres
-- one row per: nothing; drops what the migration of the same name created
-- parameters: none
drop index if exists "RecommendationImpression_companyId_impressedAt_experiment_idx";
drop index if exists "UpsellImpression_companyId_viewedAt_experiment_idx";
