-- dialect: postgres
-- one row per: permanent holdout that is new
-- parameters: company, experiment, name, control, variants, weights, metric
--
-- An operator may edit the row, its weights above all: it is never changed here once it is there.
insert into "UpsellExperiment" (
    id, "companyId", name, description, status, control, variants, "variantWeights", "primaryMetric"
)
values (
    %(experiment)s, %(company)s, %(name)s, 'Incremental revenue of all offers', 'RUNNING', %(control)s, %(variants)s,
    %(weights)s, %(metric)s
)
on conflict (id) do nothing;
