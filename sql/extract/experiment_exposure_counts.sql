-- dialect: postgres
-- one row per: the range, with the number of rows that extract/experiment_exposures returns for it
-- parameters: company, start, until
select
    (
        select count(*)
        from "UpsellImpression"
        where
            "companyId" = %(company)s and "experimentId" is not null
            and "viewedAt" >= %(start)s and "viewedAt" < %(until)s
    ) + (
        select count(*)
        from "RecommendationImpression"
        where
            "companyId" = %(company)s and "experimentId" is not null
            and "impressedAt" >= %(start)s and "impressedAt" < %(until)s
    ) as n;
