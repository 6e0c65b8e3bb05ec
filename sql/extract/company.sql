-- dialect: postgres
-- one row per: the company
-- parameters: company
--
-- A company without a configuration has nulls, which later count as the defaults.
select
    c.id,
    c.name,
    c.currency,
    c.timezone,
    r."alsoBought" as "alsoBought",
    r."youMightLike" as "youMightLike",
    r."frequentlyViewed" as "frequentlyViewed",
    r.global
from "Company" c
left join "RecommendationConfig" r on r."companyId" = c.id
where c.id = %(company)s;
