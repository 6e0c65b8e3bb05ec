-- dialect: postgres
-- one row per: the database, with its clock in whole milliseconds
-- parameters: none
select date_trunc('milliseconds', clock_timestamp()) as at;
