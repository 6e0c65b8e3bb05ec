-- dialect: postgres
-- one row per: impression of the file that is new, or whose outcome is
-- parameters: company
insert into "UpsellImpression" (
    id, "ruleId", "companyId", "cartId", "customerId", "sessionId", placement, "experimentId", variant, offer, "viewedAt",
    "clickedAt", "acceptedAt", "declinedAt", revenue, "createdAt", "updatedAt"
)
select
    md5(row(
        %(company)s::text, s.rule_id, s.session_id, s.placement, (extract(epoch from s.viewed_at) * 1000)::bigint,
        s.occurrence
    )::text),
    s.rule_id, %(company)s, %(company)s || ':' || s.cart_id, s.customer_id, s.session_id, s.placement, s.experiment_id,
    s.variant, r.offer, s.viewed_at, s.clicked_at, s.accepted_at, s.declined_at, s.revenue_cents::numeric / 100,
    s.viewed_at, greatest(s.viewed_at, s.clicked_at, s.accepted_at, s.declined_at)
from staged_impression s
join "UpsellTargetingRule" r on r.id = s.rule_id
on conflict (id) do update set
    "clickedAt" = excluded."clickedAt", "acceptedAt" = excluded."acceptedAt", "declinedAt" = excluded."declinedAt",
    revenue = excluded.revenue, "updatedAt" = current_timestamp
where (excluded."clickedAt", excluded."acceptedAt", excluded."declinedAt", excluded.revenue) is distinct from (
    "UpsellImpression"."clickedAt", "UpsellImpression"."acceptedAt", "UpsellImpression"."declinedAt",
    "UpsellImpression".revenue
);
