-- dialect: postgres
-- one row per: applied migration
-- parameters: none
create table if not exists "UpsellMigration" (
    name text primary key,
    created text[] not null,
    "appliedAt" timestamptz(3) not null default current_timestamp
);
