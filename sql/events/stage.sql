-- dialect: postgres
-- one row per: nothing; creates this connection's tables that a batch of events is copied into, as they wait in Redis
-- parameters: none
--
-- The columns are those of models/events.py; at is in milliseconds since 1970. What is copied goes with its transaction.
create temp table if not exists event_view (
    id text, "companyId" text, at bigint, "productId" text, "sessionId" text, "customerId" text, source text,
    "sourceProductId" text, "durationSeconds" integer
) on commit delete rows;
create temp table if not exists event_upsell_impression (
    id text, "companyId" text, at bigint, "ruleId" text, "cartId" text, "customerId" text, "sessionId" text, placement text,
    "experimentId" text, variant text, offer jsonb
) on commit delete rows;
create temp table if not exists event_recommendation_impression (
    id text, "companyId" text, at bigint, "productId" text, type text, "sessionId" text, "customerId" text,
    "experimentId" text, variant text, generation text, "recommendedIds" text[]
) on commit delete rows;
create temp table if not exists event_accept (
    id text, "companyId" text, at bigint, revenue numeric
) on commit delete rows;
create temp table if not exists event_decline (id text, "companyId" text, at bigint) on commit delete rows;
create temp table if not exists event_upsell_click (id text, "companyId" text, at bigint) on commit delete rows;
create temp table if not exists event_click (
    id text, "companyId" text, at bigint, "productId" text, type text, "clickedProductId" text
) on commit delete rows;
create temp table if not exists event_add_to_cart (
    id text, "companyId" text, at bigint, "productId" text, type text
) on commit delete rows;
