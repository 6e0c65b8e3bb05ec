-- dialect: duckdb
-- one row per: nothing; the tables that a snapshot's partitions are read into
-- parameters: none
--
-- Declared, not inferred: a shop without a single order has no partition to infer from.
create table order_lines (
    order_id varchar,
    customer_id varchar,
    product_id varchar,
    quantity bigint,
    unit_price_cents bigint,
    ordered_at timestamptz
);
create table views (
    session_id varchar,
    customer_id varchar,
    product_id varchar,
    source varchar,
    viewed_at timestamptz
);
create table impressions (
    rule_id varchar,
    customer_id varchar,
    placement varchar,
    experiment_id varchar,
    variant varchar,
    viewed_at timestamptz,
    accepted_at timestamptz,
    declined_at timestamptz
);
