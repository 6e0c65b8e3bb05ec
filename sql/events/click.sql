-- dialect: postgres
-- one row per: impression of a list whose first click is in a batch
-- parameters: none
--
-- Where nobody was told who saw the page, its impression was not stored: then it begins with the click, without a session.
insert into "RecommendationImpression" as i (
    id, "companyId", "productId", type, "sessionId", "impressedAt", "clickedProductId", "clickedAt"
)
select distinct on (e.id)
    e.id, e."companyId", e."productId", e.type, '', timestamptz 'epoch' + e.at * interval '1 millisecond',
    e."clickedProductId", timestamptz 'epoch' + e.at * interval '1 millisecond'
from event_click e
join "Product" p on p.id = e."productId" and p."companyId" = e."companyId"
order by e.id, e.at
on conflict (id) do update set
    "clickedProductId" = excluded."clickedProductId",
    "clickedAt" = excluded."clickedAt",
    "updatedAt" = current_timestamp
where i."clickedAt" is null and i."companyId" = excluded."companyId";
