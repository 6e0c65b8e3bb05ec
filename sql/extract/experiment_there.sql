-- dialect: postgres
-- one row per: the company, whether anything of it is an experiment or an exposure to the permanent holdout
-- parameters: company, holdout, holdout_id
--
-- Asked every night of every company: the table is small and both indexes of exposures are partial, so it costs next to nothing.
select
    exists (
        select from "UpsellExperiment" where "companyId" = %(company)s and status::text <> 'DRAFT'
    ) as has_experiments,
    exists (
        select from "UpsellImpression"
        where "companyId" = %(company)s and "experimentId" is not null and "experimentId" in (%(holdout)s, %(holdout_id)s)
    ) or exists (
        select from "RecommendationImpression"
        where "companyId" = %(company)s and "experimentId" is not null and "experimentId" in (%(holdout)s, %(holdout_id)s)
    ) as has_holdout;
