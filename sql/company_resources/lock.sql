-- dialect: postgres
-- one row per: the company's resource, which nobody else writes or publishes until the transaction ends
-- parameters: company, resource
--
-- By itself: a statement that waits for a lock sees what was there before it waited.
select pg_advisory_xact_lock(hashtextextended(%(company)s::text || ' ' || %(resource)s::text, 1)) is null as unlocked;
