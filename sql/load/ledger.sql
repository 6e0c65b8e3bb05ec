-- dialect: postgres
-- one row per: cancellation of a loaded file that found what it cancels
-- parameters: none
--
-- A cancellation leaves no row of its own in the platform's tables, only smaller quantities. Without this ledger a second
-- load of the same file would take the units away again. The lock lets two first loads wait for each other; later ones
-- pass.
do $$
begin
    if to_regclass('"UpsellLoadedCancellation"') is null then
        perform pg_advisory_xact_lock(hashtext('load'), hashtext('ledger'));
        create table if not exists "UpsellLoadedCancellation" (
            "companyId" text not null,
            "orderId" text not null,
            "customerId" text not null,
            "productId" text not null,
            "cancelledAt" timestamptz(3) not null,
            quantity bigint not null,
            occurrence bigint not null,
            matched bigint not null,
            primary key ("companyId", "orderId", "customerId", "productId", "cancelledAt", quantity, occurrence)
        );
    end if;
end
$$;
