-- dialect: postgres
-- one row per: the company's settings, unless it has some
-- parameters: company, flags
insert into "UpsellSettings" ("companyId", flags)
values (%(company)s, %(flags)s)
on conflict (coalesce("companyId", '')) do nothing;
