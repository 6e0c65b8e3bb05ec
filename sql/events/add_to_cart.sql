-- dialect: postgres
-- one row per: impression of a list that a batch says was put into a cart from, for the first time
-- parameters: none
insert into "RecommendationImpression" as i (
    id, "companyId", "productId", type, "sessionId", "impressedAt", "addedToCart", "addedAt"
)
select distinct on (e.id)
    e.id, e."companyId", e."productId", e.type, '', timestamptz 'epoch' + e.at * interval '1 millisecond', true,
    timestamptz 'epoch' + e.at * interval '1 millisecond'
from event_add_to_cart e
join "Product" p on p.id = e."productId" and p."companyId" = e."companyId"
order by e.id, e.at
on conflict (id) do update set "addedToCart" = true, "addedAt" = excluded."addedAt", "updatedAt" = current_timestamp
where not i."addedToCart" and i."companyId" = excluded."companyId";
