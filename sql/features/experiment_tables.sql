-- dialect: duckdb
-- one row per: nothing; the tables that the units of experiments are made of
-- parameters: none
--
-- `designs`: [started_at, ended_at) is when exposures count, `mature_until` the instant at which a unit's window must be over,
-- `watermark` the end of all time; `unit` is session or customer. `assigned`: one row per experiment and variant.
create table designs (
    experiment_id varchar,
    unit varchar,
    started_at timestamptz,
    ended_at timestamptz,
    mature_until timestamptz,
    watermark timestamptz,
    window_days double,
    covariate_days double,
    max_per_day double,
    cap_quantile double,
    cap_cents bigint
);
create table assigned (experiment_id varchar, variant varchar);
create table exposures (
    experiment_id varchar,
    variant varchar,
    session_id varchar,
    customer_id varchar,
    placement varchar,
    subject_id varchar,
    happened_at timestamptz,
    clicked_at timestamptz,
    added_at timestamptz,
    accepted_at timestamptz,
    declined_at timestamptz,
    claimed_revenue_cents bigint
);
create table outcomes (
    order_id varchar,
    customer_id varchar,
    session_id varchar,
    is_taken_back boolean,
    total_cents bigint,
    discount_cents bigint,
    n_items bigint,
    ordered_at timestamptz
);
