-- dialect: postgres
-- one row per: nothing; creates the tables that files are copied into before anything is inserted
-- parameters: none
--
-- They live as long as the load's one transaction. Amounts are whole cents, so no binary fraction comes near the database.
create temporary table staged_product (
    product_id text, title text, category text, category_slug text, slug text, price_cents bigint, cost_cents bigint
) on commit drop;
create temporary table staged_seen_product (product_id text, first_at timestamptz(3), price_cents bigint) on commit drop;
create temporary table fresh_product (product_id text primary key) on commit drop;
create temporary table staged_customer (customer_id text, first_at timestamptz(3)) on commit drop;
create temporary table staged_order_id (order_id text, n_lines bigint) on commit drop;
create temporary table staged_order (
    order_id text, customer_id text, status text, environment text, ordered_at timestamptz(3), total_cents bigint
) on commit drop;
create temporary table staged_order_item (
    order_id text, line integer, product_id text, quantity integer, unit_cents bigint, ordered_at timestamptz(3)
) on commit drop;
create temporary table staged_cancellation (
    row_of_file bigint, order_id text, customer_id text, product_id text, ordered_at timestamptz(3), quantity bigint,
    occurrence bigint
) on commit drop;
create temporary table staged_match (row_of_file bigint, matched bigint) on commit drop;
create temporary table staged_line_left (order_id text, line text, remaining bigint) on commit drop;
create temporary table staged_view (
    session_id text, customer_id text, product_id text, viewed_at timestamptz(3), source text, source_product_id text,
    duration_seconds integer, occurrence bigint
) on commit drop;
create temporary table staged_rule (
    rule_id text, name text, upsell_type text, description text, priority integer, enabled boolean, conditions jsonb,
    offer jsonb, message text, urgency text, placements text[], max_impressions integer, max_acceptances integer,
    valid_from timestamptz(3), valid_until timestamptz(3)
) on commit drop;
create temporary table staged_experiment (
    experiment_id text, name text, primary_metric text, rule_id text, description text, status text, control jsonb,
    variants jsonb, variant_weights jsonb, minimum_sample_size integer, started_at timestamptz(3), ended_at timestamptz(3)
) on commit drop;
create temporary table staged_cart (
    cart_id text, customer_id text, session_id text, status text, order_id text, updated_at timestamptz(3)
) on commit drop;
create temporary table staged_cart_item (
    cart_id text, product_id text, quantity integer, unit_cents bigint, occurrence bigint
) on commit drop;
create temporary table staged_subscription (
    subscription_id text, customer_id text, product_id text, frequency text, status text, created_at timestamptz(3)
) on commit drop;
create temporary table staged_impression (
    rule_id text, session_id text, customer_id text, cart_id text, placement text, experiment_id text, variant text,
    viewed_at timestamptz(3), clicked_at timestamptz(3), accepted_at timestamptz(3), declined_at timestamptz(3),
    revenue_cents bigint, occurrence bigint
) on commit drop;
create temporary table staged_exposure (
    experiment_id text, variant text, session_id text, customer_id text, product_id text, type text,
    exposed_at timestamptz(3), clicked_product_id text, clicked_at timestamptz(3), added_at timestamptz(3),
    occurrence bigint
) on commit drop;
