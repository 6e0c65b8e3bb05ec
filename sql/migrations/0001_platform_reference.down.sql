-- dialect: postgres
-- one row per: nothing; drops those platform tables that 0001 itself created
-- parameters: none
--
-- What existed before 0001 ran is the platform's and stays: the ledger knows which tables 0001 made. What `upsell load`
-- remembers of cancellations (sql/load/ledger) is of no use without the orders.
drop table if exists "UpsellLoadedCancellation";

do $$
declare
    created_table text;
begin
    for created_table in
        select unnest(created) from "UpsellMigration" where name = '0001_platform_reference'
    loop
        execute format('drop table if exists %I', created_table);
    end loop;
end
$$;
