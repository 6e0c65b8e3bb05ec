-- dialect: postgres
-- one row per: nothing; drops what the migration of the same name created
-- parameters: none
drop table if exists "UpsellRevenueCheck";
drop table if exists "UpsellRejectedEvent";
drop table if exists "UpsellAudit";
drop table if exists "UpsellSettings";
