-- dialect: postgres
-- one row per: exposure of the file that is new, or whose outcome is
-- parameters: company
insert into "RecommendationImpression" (
    id, "companyId", "productId", type, "sessionId", "customerId", "experimentId", variant, "impressedAt",
    "clickedProductId", "clickedAt", "addedToCart", "addedAt", "createdAt", "updatedAt"
)
select
    md5(row(
        %(company)s::text, s.experiment_id, s.variant, s.session_id, s.product_id, s.type,
        (extract(epoch from s.exposed_at) * 1000)::bigint, s.occurrence
    )::text),
    %(company)s, s.product_id, s.type, s.session_id, s.customer_id, s.experiment_id, s.variant, s.exposed_at,
    s.clicked_product_id, s.clicked_at, s.added_at is not null, s.added_at, s.exposed_at,
    greatest(s.exposed_at, s.clicked_at, s.added_at)
from staged_exposure s
on conflict (id) do update set
    "clickedProductId" = excluded."clickedProductId", "clickedAt" = excluded."clickedAt",
    "addedToCart" = excluded."addedToCart", "addedAt" = excluded."addedAt", "updatedAt" = current_timestamp
where (excluded."clickedProductId", excluded."clickedAt", excluded."addedAt") is distinct from (
    "RecommendationImpression"."clickedProductId", "RecommendationImpression"."clickedAt",
    "RecommendationImpression"."addedAt"
);
