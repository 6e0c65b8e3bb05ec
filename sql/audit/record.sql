-- dialect: postgres
-- one row per: the entry that was made
-- parameters: company, by, action, resource, row, before, after, request
insert into "UpsellAudit" (
    "companyId", "writtenAt", "writtenBy", action, resource, "resourceId", before, after, "requestId"
)
values (
    nullif(%(company)s, ''), clock_timestamp(), %(by)s, %(action)s, %(resource)s, %(row)s, %(before)s::jsonb, %(after)s::jsonb,
    %(request)s
)
returning id;
