-- dialect: postgres
-- one row per: stored impression of an offer whose first click is in a batch
-- parameters: none
update "UpsellImpression" i set
    "clickedAt" = timestamptz 'epoch' + e.at * interval '1 millisecond', "updatedAt" = current_timestamp
from (select id, "companyId", min(at) as at from event_upsell_click group by id, "companyId") e
where i.id = e.id and i."companyId" = e."companyId" and i."clickedAt" is null;
