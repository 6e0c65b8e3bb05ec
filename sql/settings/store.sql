-- dialect: postgres
-- one row per: the settings and flags as stored
-- parameters: company, at, flags, settings
--
-- company is '' for those for all. updatedAt is the version that clients hold them by: it rises with every write.
insert into "UpsellSettings" as s ("companyId", flags, settings, "createdAt", "updatedAt")
values (nullif(%(company)s, ''), %(flags)s::jsonb, %(settings)s::jsonb, %(at)s::timestamptz, %(at)s::timestamptz)
on conflict (coalesce("companyId", '')) do update set
    flags = excluded.flags,
    settings = excluded.settings,
    "updatedAt" = greatest(excluded."updatedAt", s."updatedAt" + interval '1 millisecond')
returning
    s."companyId",
    s.flags::text as flags,
    s.settings::text as settings,
    s."createdAt",
    s."updatedAt";
