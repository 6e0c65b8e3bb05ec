-- dialect: postgres
-- one row per: company; created where it is missing, left alone where it is there
-- parameters: company, name, slug, currency, timezone
insert into "Company" (id, name, slug, currency, timezone)
values (%(company)s, %(name)s, %(slug)s, %(currency)s, %(timezone)s)
on conflict (id) do nothing;
