-- dialect: postgres
-- one row per: nothing; holds off other loads of the same company until this transaction ends
-- parameters: company
select pg_advisory_xact_lock(hashtext('load'), hashtext(%(company)s));
