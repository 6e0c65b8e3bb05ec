-- dialect: postgres
-- one row per: the database's clock in whole milliseconds, beside the company's time zone, null where there is no such company
-- parameters: company
--
-- Asked under the lock of a resource: who waits for a millisecond first has another version than whoever held it before.
select date_trunc('milliseconds', clock_timestamp()) as at, c.timezone
from pg_sleep(0.001)
left join "Company" c on c.id = %(company)s;
