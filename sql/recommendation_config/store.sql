-- dialect: postgres
-- one row per: the recommendation configuration as stored
-- parameters: company, at, also_bought, you_might_like, frequently_viewed, everywhere
--
-- updatedAt is the version that clients hold it by: it rises with every write, whatever the clocks say.
insert into "RecommendationConfig" as c (
    "companyId", "alsoBought", "youMightLike", "frequentlyViewed", global, "createdAt", "updatedAt"
)
values (
    %(company)s, %(also_bought)s::jsonb, %(you_might_like)s::jsonb, %(frequently_viewed)s::jsonb, %(everywhere)s::jsonb,
    %(at)s::timestamptz, %(at)s::timestamptz
)
on conflict ("companyId") do update set
    "alsoBought" = excluded."alsoBought",
    "youMightLike" = excluded."youMightLike",
    "frequentlyViewed" = excluded."frequentlyViewed",
    global = excluded.global,
    "updatedAt" = greatest(excluded."updatedAt", c."updatedAt" + interval '1 millisecond')
returning
    c."companyId",
    c."alsoBought"::text as "alsoBought",
    c."youMightLike"::text as "youMightLike",
    c."frequentlyViewed"::text as "frequentlyViewed",
    c.global::text as global,
    c."createdAt",
    c."updatedAt";
