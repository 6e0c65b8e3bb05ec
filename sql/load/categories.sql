-- dialect: postgres
-- one row per: category of the file that the company does not have yet
-- parameters: company
insert into "Category" (id, "companyId", name, slug)
select %(company)s || ':' || s.category_slug, %(company)s, min(s.category collate "C"), s.category_slug
from staged_product s
where s.category is not null
group by s.category_slug
order by s.category_slug
on conflict (id) do nothing;
