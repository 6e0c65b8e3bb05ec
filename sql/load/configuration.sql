-- dialect: postgres
-- one row per: the company's recommendation configuration, unless it has one
-- parameters: company, also_bought
insert into "RecommendationConfig" ("companyId", "alsoBought")
values (%(company)s, %(also_bought)s)
on conflict ("companyId") do nothing;
