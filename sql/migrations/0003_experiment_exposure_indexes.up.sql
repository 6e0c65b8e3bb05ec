-- dialect: postgres
-- one row per: nothing; creates the indexes by which the analysis of experiments finds exposures
-- parameters: none
--
-- Partial: impressions outside experiments, nearly all of them, cost nothing, and a company without experiments is told from
-- one with any by one look.
create index "UpsellImpression_companyId_viewedAt_experiment_idx" on "UpsellImpression" ("companyId", "viewedAt")
    where "experimentId" is not null;
create index "RecommendationImpression_companyId_impressedAt_experiment_idx" on "RecommendationImpression" (
    "companyId", "impressedAt"
) where "experimentId" is not null;
