-- dialect: postgres
-- one row per: the event, unless it is there
-- parameters: id, kind, company, event, reason
insert into "UpsellRejectedEvent" (id, kind, "companyId", event, reason)
values (%(id)s, %(kind)s, %(company)s, %(event)s::jsonb, %(reason)s)
on conflict (id, kind) do nothing;
