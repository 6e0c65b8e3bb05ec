-- dialect: postgres
-- one row per: table, view, enum or index of the current schema
-- parameters: none
--
-- A platform may map its tables by views, so a view counts as the table of its name.
select 'table' as kind, c.relname as name
from pg_class c
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
union all
select 'index', c.relname
from pg_class c
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('i', 'I')
union all
select 'enum', t.typname
from pg_type t
where t.typnamespace = current_schema()::regnamespace and t.typtype = 'e'
order by kind, name;
