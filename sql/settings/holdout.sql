-- dialect: postgres
-- one row per: permanent holdout of the company whose weights change
-- parameters: company, row, at, weights
--
-- It begins anew: under other shares the sample ratio of what was shown so far would look broken.
update "UpsellExperiment"
set
    "variantWeights" = %(weights)s::jsonb,
    "startedAt" = %(at)s::timestamptz,
    "updatedAt" = greatest(%(at)s::timestamptz, "updatedAt" + interval '1 millisecond')
where "companyId" = %(company)s and id = %(row)s and "variantWeights" is distinct from %(weights)s::jsonb
returning id;
