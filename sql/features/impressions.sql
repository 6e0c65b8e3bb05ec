-- dialect: duckdb
-- one row per: impression of an offer
-- parameters: none; reads `impressions`
select rule_id, customer_id, placement, experiment_id, variant, viewed_at, accepted_at, declined_at
from impressions
order by viewed_at, rule_id, placement, customer_id, experiment_id, variant, accepted_at, declined_at;
