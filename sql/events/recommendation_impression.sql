-- dialect: postgres
-- one row per: impression of a list in a batch that is not stored yet and whose page's product is the company's
-- parameters: none
insert into "RecommendationImpression" (
    id, "companyId", "productId", type, "sessionId", "customerId", "experimentId", variant, generation, "recommendedIds",
    "impressedAt"
)
select
    e.id, e."companyId", e."productId", e.type, e."sessionId", c.id, e."experimentId", e.variant, e.generation,
    e."recommendedIds", timestamptz 'epoch' + e.at * interval '1 millisecond'
from event_recommendation_impression e
join "Product" p on p.id = e."productId" and p."companyId" = e."companyId"
left join "Customer" c on c.id = e."customerId" and c."companyId" = e."companyId"
on conflict (id) do nothing;
