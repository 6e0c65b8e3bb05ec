-- dialect: postgres
-- one row per: the company's recommendation configuration: what differs from the defaults
-- parameters: company
--
-- JSON is read as text, so that its numbers stay as they are.
select
    c."companyId",
    c."alsoBought"::text as "alsoBought",
    c."youMightLike"::text as "youMightLike",
    c."frequentlyViewed"::text as "frequentlyViewed",
    c.global::text as global,
    c."createdAt",
    c."updatedAt"
from "RecommendationConfig" c
where c."companyId" = %(company)s;
