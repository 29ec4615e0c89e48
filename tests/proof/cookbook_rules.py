# ruff: noqa: E501  (a rule and its SQL read best as one line of a table)
"""What the cookbook asks the generated retailer, each beside SQL over the raw tables.

The tables and the clock are those of `retailer_rules`, with the views below. Keys are the rules of the page in any
spelling; a rule with suppression ends in ``less`` and the purposes, a spread over a name in ``by`` and the name.
"""

from __future__ import annotations

import xxhash

VIEWS = """
create view parts as
    select k, dep, b, min(ts) ts, sum(cents) cents from lines where dep is not null group by k, dep, b;
create view gaps as
    select k, count(*) n, epoch_us(max(ts) - min(ts)) / (count(*) - 1) / 86.4e9 gap from baskets group by k having count(*) > 1;
create view depths as
    select k, case when d < 0.02 then 'full price' when d < 0.1 then 'some' when d < 0.2 then 'much' else 'bargain' end depth, d
    from (select k, (sum(disc) / 100) / (sum(cents) / 100 + sum(disc) / 100) d
          from baskets where ts > '2025-06-30 09:30' group by k having sum(cents) + sum(disc) <> 0);
create view champions as select k from tiers join since using (k) where tier = 5 and d < 90;
create view unhappy as
    select customer_id k from tickets group by 1 having bool_or(status = 'open') or coalesce(avg(rating) <= 2, false);
create view consenting as select k from people where email_consent;
create view opened as select k, m, min(ts) ts from mails where action = 'open' group by k, m;
create view engaged as
    select k from opened where ts > clock() - interval 90 day union select k from seen where ts > clock() - interval 90 day;
create view frequent as select k from gaps where n >= 4 and gap <= 60;
create table cycle as
    select u.k, case when count(b.b) = 0 then 'lead'
                     when epoch_us(clock() - min(ts)) / 86.4e9 <= 90 then 'new'
                     when epoch_us(clock() - max(ts)) / 86.4e9 <= 365 then 'active' else 'churned' end stage
    from universe u left join baskets b using (k) group by u.k;
create view interests as
    select u.k, case when t.total is null or t.total = 0 then null when coalesce(s.share, 0) < 0.2 then '..0.2'
                     when s.share < 0.5 then '0.2..0.5' when s.share < 0.8 then '0.5..0.8' else '0.8..' end band
    from universe u left join (select k, sum(cents) total from lines group by k) t using (k)
    left join (select * from shares where dep = 'womens') s using (k);
create view year_counts as
    select u.k, count(b.b) v from universe u left join baskets b on b.k = u.k and b.ts > '2025-06-30 09:30' group by u.k;
create macro edges(i, n, below) as below * 5 >= i * n;
create table fifths as
    with v as (select u.k, since.d, y.v f, s.v m from universe u left join since using (k)
               left join year_counts y using (k) left join spend_year s using (k)),
         r1 as (select d x, rank() over (order by d) - 1 below, count(*) over () n from v where f > 0 and d is not null),
         re as (select i, min(x) edge from r1, range(1, 5) t(i) where edges(i, n, below) group by i),
         f1 as (select f x, rank() over (order by f) - 1 below, count(*) over () n from v where f > 0),
         fe as (select i, min(x) edge from f1, range(1, 5) t(i) where edges(i, n, below) group by i)
    select k, case when d is not null then 1 + (select count(*) from re where edge <= d) end r,
           1 + (select count(*) from fe where edge <= f) f, tier m
    from v join tiers using (k);
create view picked as
    select customer_id k, timezone('UTC', "at") ts, product_id pid from cart_adds where timezone('UTC', "at") <= clock();
create view clicked_and_sent as
    select k, cat, count(distinct m) filter (action = 'click') clicked, count(distinct m) filter (action = 'sent') sent
    from mails where cat is not null group by k, cat;
create view clicked as select k, m, cat, min(ts) ts from mails where action = 'click' group by k, m, cat;
create view open_rates as
    select s.k, count(o.m) / count(*) rate from (select k, m, min(ts) ts from mails where action = 'sent' group by k, m) s
    left join opened o using (k, m) where s.ts > '2026-05-30 09:30' group by s.k;
create macro favourites(later, until) as table
    select k, first(dep order by v desc, dep) dep from
    (select k, dep, sum(cents) v from parts where ts > later and ts <= until group by k, dep) group by k;
create macro faded(ts, days) as pow(0.5::double, epoch_us(clock() - ts) / 86.4e9 / days);
create view alive as
    with d as (select distinct k, timezone('Europe/London', timezone('UTC', ts))::date as on_day
               from (select k, b, min(ts) ts from lines where cents > 0 group by k, b)),
         s as (select k, count(*) - 1 x, (max(on_day) - min(on_day)) / 7 t, (date '2026-06-30' - min(on_day)) / 7 age
               from d group by k)
    select k, case when x = 0 then 1 else 1 / (1 + 0.8 / (2.4 + x - 1) * pow((4.4 + age) / (4.4 + t), 0.24 + x)) end p from s;
create view heats as
    select u.k, coalesce(sum(points * faded(ts, 14)), 0) heat from universe u left join
    (select k, ts, 1 points from opened union all select k, min(ts), 3 from clicked group by k, m
     union all select k, ts, 2 from seen union all select k, ts, 5 from carts) using (k) group by u.k;
create view heat_bands as select k, case when heat < 0.5 then 'cold' when heat < 3 then 'warm' else 'hot' end band from heats;
create view tastes as
    select k, dep, sum(points * faded(ts, 60)) v from
    (select k, dep, ts, 10 points from parts union all select k, dep, ts, 4 from carts
     union all select k, dep, ts, 2 from seen union all select k, cat, ts, 3 from clicked)
    where dep is not null group by k, dep;
create view engagement as
    select u.k, coalesce(sum(points), 0) v from universe u left join
    (select k, ts, 1 points from opened union all select k, min(ts), 2 from clicked group by k, m
     union all select k, ts, 3 from seen union all select k, ts, 10 from baskets) a
    on a.k = u.k and a.ts > clock() - interval 90 day group by u.k;
create view engaged_tiers as
    select k, case when v < 1 then 'none' when v < 5 then 'low' when v < 15 then 'medium' else 'high' end tier from engagement;
create view channels as
    select k, first(channel order by n desc, channel) channel from (select k, channel, count(*) n from
    (select k, channel, b, min(ts) ts from lines where channel is not null group by k, channel, b)
    where ts > '2025-06-30 09:30' group by k, channel) group by k;
create view devices as
    select k, first(device order by n desc, device) device from (select k, device, count(*) n from seen
    where device is not null and ts > '2025-06-30 09:30' group by k, device) group by k;
"""

_LAST_YEAR = "ts > '2025-06-30 09:30'"
_ACTIVE_DAYS = "(select k, ts from baskets where ts > clock() - interval {} day and ts <= clock() - interval {} day)"
_WOMENS_2 = f"select k from parts where dep = 'womens' and {_LAST_YEAR} group by k having count(*) >= 2"
_SHOES = f"select k from parts where dep = 'shoes' and {_LAST_YEAR}"
_PLANS = (
    "select n.k from (select k, arg_max(plan, ts) plan from plans group by k) n join "
    "(select k, arg_max(plan, ts) plan from plans where ts <= clock() - interval 90 day group by k) o using (k) where "
)
_MANY = "select k from baskets where ts > '2026-03-30 09:30' and cents > 0 group by k having count(*) > 7"
_BUYS = (
    "select k from baskets join depths using (k) where ts > '2025-06-30 09:30' group by k, d having sum(cents) >= 10000 and d < 0.02 "
    "and k not in (select k from opened where ts > '2025-06-30 09:30')"
)
_GOLD = "select k from people where tier in ('gold', 'Gold')"

RULES = {
    # --- A ---
    "purchases_3m > 7": _MANY,
    "count(orders, 3mo, having amount > 0) > 7": _MANY,
    "value_share['womens'] > 0.75 and click_rate['womens'] > 0.2": "select s.k from shares s join clicks c on c.k = s.k and c.cat = s.dep where dep = 'womens' and share > 0.75 and rate > 0.2",
    "any c (value_share[c] > 0.75 and click_rate[c] > 0.2)": "select distinct s.k from shares s join clicks c on c.k = s.k and c.cat = s.dep where share > 0.75 and rate > 0.2",
    "any c (basket_share[c] > 0.75 and click_rate[c] > 0.2)": "select distinct s.k from (select k, dep, count(distinct b) part from lines where dep is not null group by k, dep) s "
    "join (select k, count(*) n from baskets group by k) using (k) join clicks c on c.k = s.k and c.cat = s.dep where part / n > 0.75 and rate > 0.2",
    "order_gap between 10 and 20 and basket_value between 50 and 150": "select k from gaps join baskets using (k) where gap between 10 and 20 "
    "group by k having sum(cents) between 5000 * count(*) and 15000 * count(*)",
    "spend_6m between 200 and 1000 and minutes >= 8 and visits_1m > 1": "select k from (select k from baskets where ts > '2025-12-30 10:30' group by k having sum(cents) between 20000 and 100000) "
    "join (select k from seen where ts > '2025-12-30 10:30' and not isnan(minutes) group by k having avg(minutes) >= 8) using (k) "
    "join (select k from seen where ts > '2026-05-30 09:30' group by k having count(*) > 1) using (k)",
    "count(emails, 90d, where action = 'open') >= 2": "select k from opened where ts > clock() - interval 90 day group by k having count(*) >= 2",
    "segment 'champions'": "select k from champions",
    "segment 'buys_anyway'": _BUYS,
    "segment 'buys_anyway' and bucket('spare', 10) = 0": f"select k from ({_BUYS}) where bucket('spare', k, 10) = 0",
    "segment 'buys_anyway' and bucket('spare', 10) > 0": f"select k from ({_BUYS}) where bucket('spare', k, 10) > 0",
    "plan != plan_before": _PLANS + "n.plan <> o.plan",
    "plan < plan_before": _PLANS
    + "list_position(['basic', 'plus', 'family'], n.plan) < list_position(['basic', 'plus', 'family'], o.plan)",
    "open_rate between 0.2 and 0.5": "select k from open_rates where rate between 0.2 and 0.5",
    "open_rate is missing": "select k from universe where k not in (select k from open_rates)",
    "favourite != favourite_before": "select n.k from favourites(timestamp '2025-06-30 09:30', clock()) n join favourites(timestamp '1900-01-01', timestamp '2025-06-30 09:30') o using (k) where n.dep <> o.dep",
    # --- B ---
    "alive < 0.2 and count(orders) >= 4": "select k from alive where p < 0.2 and k in (select k from baskets group by k having count(*) >= 4)",
    "tier = 'gold' and tags has any ('vip', 'press') and did(orders, 1y, where brand = 'Lumen')": "select k from people where tier in ('gold', 'Gold') and list_has_any(tags, ['vip', 'press']) "
    "and k in (select k from (select k, b, min(ts) ts from lines where brand = 'Lumen' group by k, b) where ts > '2025-06-30 09:30')",
    "did(orders, 90d, where channel = 'shop') and did(visits, 90d) and did(emails, 90d, where action = 'open')": "select k from (select k, b, min(ts) ts from lines where channel = 'shop' group by k, b) where ts > clock() - interval 90 day "
    "intersect select k from seen where ts > clock() - interval 90 day intersect select k from opened where ts > clock() - interval 90 day",
    "value_tier >= '4' and (open_tickets >= 1 or content <= 2)": "select k from tiers join unhappy using (k) where tier >= 4",
    "count(tickets, where opened >= today - 6mo and topic = 'delivery') >= 1": "select distinct customer_id from tickets where opened >= '2025-12-30' and topic = 'delivery'",
    "segment 'abandoned'": "select k from carts where ts > clock() - interval 14 day except select k from baskets where ts > clock() - interval 14 day",
    "segment 'champions' less email": "select k from champions join consenting using (k) where k not in (select k from unhappy)",
    "segment 'champions' less ads": "select k from champions where k not in (select k from unhappy)",
    "segment 'no_email' and email_consent is missing": "select k from people where email_consent is null",
    "bought['home'] >= 2 and not did(orders, where department = 'garden')": f"select k from parts where dep = 'home' and {_LAST_YEAR} group by k having count(*) >= 2 except select k from lines where dep = 'garden'",
    "bought['womens'] >= 2 and bought['shoes'] = 0": f"{_WOMENS_2} except {_SHOES}",
    "bought['womens'] >= 2 and did(visits, 90d, where department = 'shoes') and bought['shoes'] = 0": f"select k from ({_WOMENS_2}) where k in (select k from seen where dep = 'shoes' and ts > clock() - interval 90 day) and k not in ({_SHOES})",
    "plan = 'basic' and value_tier >= '4'": "select k from (select k, arg_max(plan, ts) plan from plans group by k) join tiers using (k) where plan = 'basic' and tier >= 4",
    "since_order > 3 * order_gap and since_order <= 365 and count(orders) >= 4": "select k from gaps join since using (k) where n >= 4 and d <= 365 and d > 3 * gap",
    "risk > 0.8 and value_tier >= '4'": "select k from people where risk > 0.8 and not isnan(risk) and k in (select k from tiers where tier >= 4)",
    "everyone by funnel": "select case when k in (select k from baskets) then 'buyer' when k in (select k from carts) then 'cart' "
    "when k in (select k from seen) then 'visitor' else 'lead' end, count(*) from universe group by 1",
    "did(orders, 30d) and not did(orders, ..30d) and did(cart_adds, ..30d)": "select k from baskets group by k having min(ts) > clock() - interval 30 day intersect select k from carts where ts <= clock() - interval 30 day",
    "did(orders, 30d)": f"select distinct k from {_ACTIVE_DAYS.format(30, 0)}",
    "did(orders, 60d..30d)": f"select distinct k from {_ACTIVE_DAYS.format(60, 30)}",
    "did(orders, 90d..60d)": f"select distinct k from {_ACTIVE_DAYS.format(90, 60)}",
    "count(orders, 90d) > count(orders, 180d..90d)": "select k from baskets where ts > clock() - interval 180 day group by k "
    "having count(*) filter (ts > clock() - interval 90 day) > count(*) filter (ts <= clock() - interval 90 day)",
    "reduced_share > 0.6 and count(orders, 1y) >= 3": "select k from (select k, sum(n) part from (select k, b, min(ts) ts, count(*) n from lines where disc > 0 group by k, b) "
    "where ts > '2025-06-30 09:30' group by k) join (select k, sum(n) total, count(*) baskets from baskets where ts > '2025-06-30 09:30' group by k) using (k) where part / total > 0.6 and baskets >= 3",
    "depth = 'full price' and spend_1y >= 100": "select k from depths join spend_year using (k) where depth = 'full price' and v >= 10000",
    "value_tier = '5' by depth": "select depth, count(*) from tiers left join depths using (k) where tier = 5 group by 1",
    "count(orders, 2026-03-01.., where department = 'garden', having amount > 20) >= 2": "select k from parts where dep = 'garden' and ts >= '2026-03-01' and cents > 2000 group by k having count(*) >= 2",
    "max(orders.amount, 1y) > 5 * median(orders.amount, 1y)": "select k from baskets where ts > '2025-06-30 09:30' group by k having max(cents) > 5 * median(cents)",
    "recency = 'hot'": "select k from since where d < 30",
    "recency = 'hot' and since_order >= 23": "select k from since where d >= 23 and d < 30",
    "later: recency = 'hot'": "select customer_id from (select customer_id, coalesce('b' || basket_id, 'r' || orders.rowid) b, min(timezone('UTC', ordered_at)) ts from orders "
    "where customer_id is not null and timezone('UTC', ordered_at) <= timestamp '2026-07-07 09:30' group by 1, 2) group by 1 having max(ts) > timestamp '2026-07-07 09:30' - interval 30 day",
    "sum(visits.pages, 7d) > 10": "select k from seen where ts > clock() - interval 7 day group by k having sum(pages) > 10",
    "did(cart_adds, 7d) and not did(orders, 7d)": "select k from carts where ts > clock() - interval 7 day except select k from baskets where ts > clock() - interval 7 day",
    "left_in_cart >= 1": "select distinct k from picked p where ts > clock() - interval 30 day and ts + interval 3 day <= clock() and not exists (select 1 from lines l where l.k = p.k and l.pid = p.pid and l.ts > p.ts and l.ts <= p.ts + interval 3 day)",
    "sequence(visits then cart_adds within 1d then orders within 7d, 90d) >= 1": "select distinct k from (select s.k, s.ts, min(p.ts) then_at from seen s join picked p on p.k = s.k and p.ts > s.ts and p.ts <= s.ts + interval 1 day where s.ts > clock() - interval 90 day group by s.k, s.ts) f where exists (select 1 from lines l where l.k = f.k and l.ts > then_at and l.ts <= then_at + interval 7 day)",
    "everyone by lifecycle": "select stage, count(*) from cycle group by 1",
    "lifecycle = 'churned' and did(visits, 90d)": "select k from cycle where stage = 'churned' and k in (select k from seen where ts > clock() - interval 90 day)",
    # --- C ---
    "affinity['womens'] = '0.8..'": "select k from shares where dep = 'womens' and share >= 0.8",
    "affinity[any] = '0.8..'": "select distinct k from shares where share >= 0.8",
    "everyone by affinity['womens']": "select band, count(*) from interests group by 1",
    "since_order > 180 and not segment 'frequent'": "select k from since where d > 180 and k not in (select k from frequent)",
    "since_order > 180 and not segment 'frequent' and did(emails, 90d, where action = 'open')": "select k from since where d > 180 and k not in (select k from frequent) and k in (select k from opened where ts > clock() - interval 90 day)",
    "age between 25 and 34 and income >= '50-74K' and since_order <= 90": "select k from people join since using (k) where date_part('year', age(date '2026-06-30', birth_date)) between 25 and 34 "
    "and income in ('50-74K', '75-99K', '100K+') and d <= 90",
    "age is missing or income is missing": "select k from people where birth_date is null or income is null",
    "segment 'win_back'": "select k from cycle join engaged using (k) where stage = 'churned' and k not in (select k from unhappy)",
    "segment 'engaged' and not segment 'champions' and lifecycle = 'active'": "select k from cycle join engaged using (k) where stage = 'active' and k not in (select k from champions)",
    "lifecycle = 'lead' and temperature = 'hot'": "select k from cycle join heat_bands using (k) where stage = 'lead' and band = 'hot'",
    "lifecycle = 'lead' by temperature": "select band, count(*) from cycle join heat_bands using (k) where stage = 'lead' group by 1",
    # --- D ---
    "signup is missing and did(cart_adds)": "select distinct k from carts where k not in (select customer_id from customers)",
    "survey = 'thrifty' and survey_score > 0.75": "select customer_id from survey where cluster = 'thrifty' and probability > 0.75::double",
    "survey != 'thrifty' and depth = 'bargain'": "select customer_id from survey join depths on k = customer_id where cluster <> 'thrifty' and depth = 'bargain'",
    "survey is missing": "select k from universe where k not in (select customer_id from survey)",
    "segment 'champions' by tier": "select lower(tier), count(*) from champions join people using (k) group by 1",
    "everyone by tier": "select lower(tier), count(*) from people group by 1",
    "segment 'champions' and tier = 'gold'": f"select k from champions where k in ({_GOLD})",
    "segment 'champions' and not tier = 'gold'": f"select k from champions where k not in ({_GOLD})",
    "tier = 'gold' and not segment 'champions'": f"{_GOLD} except select k from champions",
    "orders_ever = 0": "select k from universe where k not in (select k from lines)",
    "orders_ever = 0 and signup >= today - 180d": "select k from people where k not in (select k from lines) and signup >= date '2026-06-30' - 180",
    "lifecycle = 'lead' by income": "select income, count(*) from cycle join people using (k) where stage = 'lead' group by 1",
    # --- E ---
    "everyone by customer_type": "select case when n is null then 'lead' when n = 1 and d <= 365 then 'first-time' when coalesce(d <= 2 * gap, false) or d <= 30 then 'active' "
    "when d <= 4 * gap and d <= 365 then 'lapsing' else 'inactive' end, count(*) "
    "from universe left join (select k, count(*) n from baskets group by k) using (k) left join since using (k) left join (select k, gap from gaps) using (k) group by 1",
    "renewal between 0 and 30": "select k from renewals where left_days between 0 and 30",
    "days_until(signup, every = 1y) between 0 and 30": "select k from people where strftime(signup, '%m-%d') between '06-30' and '07-30'",
    "renewal < 0": "select k from renewals where left_days < 0",
    "country = 'GB'": "select k from people where country = 'GB'",
    "region = 'south' and country != 'ES'": "select k from people where country in ('IT', 'PT')",
    "count(orders, where department is missing) >= 1": "select distinct k from lines where dep is null",
    "birth_date is missing": "select k from people where birth_date is null",
    "min(orders.amount) < 0": "select distinct k from baskets where cents < 0",
    "email_consent = true": "select k from consenting",
    "email_consent is missing": "select k from people where email_consent is null",
    "guarded: tags has any ('press') by tier": "select lower(tier), case when count(*) >= 20 then count(*) end from people where list_contains(tags, 'press') group by 1",
    "interest['garden'] >= 5": "select k from tastes where dep = 'garden' and v >= 5",
    "interest['garden'] >= 2 and bought['garden'] = 0": f"select k from tastes where dep = 'garden' and v >= 2 except select k from parts where dep = 'garden' and {_LAST_YEAR}",
    "main_interest = 'garden'": "select k from (select k, first(dep order by v desc, dep) dep from tastes group by k) where dep = 'garden'",
    "home within 100 km of (51.5, -0.1)": "select k from people where 2 * 6371.0088 * asin(sqrt(pow(sin(radians(lat - 51.5) / 2), 2) "
    "+ cos(radians(lat)) * cos(radians(51.5)) * pow(sin(radians(lon + 0.1) / 2), 2))) <= 100",
    "home is missing": "select k from people where lat is null",
    "everyone by engaged_tier": "select tier, count(*) from engaged_tiers group by 1",
    "engaged_tier = 'high' and email_consent = true": "select k from engaged_tiers join consenting using (k) where tier = 'high'",
    "everyone by channel": "select channel, count(*) from universe left join channels using (k) group by 1",
    "channel = 'shop' and device = 'phone'": "select k from channels join devices using (k) where channel = 'shop' and device = 'phone'",
    "count(emails, 1y, where action = 'click') > count(visits, 1y)": "select k from (select k, count(*) n from (select k, m, min(ts) ts from clicked group by k, m) where ts > '2025-06-30 09:30' group by k) "
    "left join (select k, count(*) v from seen where ts > '2025-06-30 09:30' group by k) using (k) where n > coalesce(v, 0)",
    # --- more recipes ---
    "first(orders) > today - 90d": "select k from baskets group by k having timezone('Europe/London', timezone('UTC', min(ts)))::date > date '2026-06-30' - 90",
    "did(orders, 90d, where department = 'garden') and not did(orders, ..90d, where department = 'garden')": "select k from parts where dep = 'garden' group by k having min(ts) > clock() - interval 90 day",
    "did(orders, 2y) and not did(orders, 1y)": "select k from baskets group by k having max(ts) > '2024-06-30 09:30' and max(ts) <= '2025-06-30 09:30'",
    "did(orders, 90d) and not did(orders, 455d..90d) and did(orders, ..455d)": f"select k from {_ACTIVE_DAYS.format(90, 0)} intersect select k from baskets where ts <= clock() - interval 455 day "
    f"except select k from {_ACTIVE_DAYS.format(455, 90)}",
    "active_periods(orders, period = mo, of = 6, least = 1) >= 4": "select k from baskets where ts >= '2025-12-01' and ts < '2026-05-31 23:00' group by k having count(distinct date_trunc('month', timezone('Europe/London', timezone('UTC', ts)))) >= 4",
    "streak(visits, period = w) >= 3": "select k from seen where here >= '2026-06-08' and here < '2026-06-29' group by k having count(distinct date_trunc('week', here)) = 3",
    "count(emails, last 5) = 5 and count(emails, last 5, where action = 'open') = 0": "select k from (select k, bool_or(action = 'open') o, row_number() over (partition by k order by min(ts) desc, m desc) place from mails group by k, m) where place <= 5 group by k having count(*) = 5 and not bool_or(o)",
    "anniversary(birth_date) within 7d": "select k from people where strftime(birth_date, '%m-%d') between '06-30' and '07-07'",
    "bucket('survey-2026', 20) = 0": "select k from universe where bucket('survey-2026', k, 20) = 0",
    "r = '1' and f = '5' and m = '5'": "select k from fifths where r = 1 and f = 5 and m = 5",
    "r >= '4' and m >= '4'": "select k from fifths where r >= 4 and m >= 4",
}
"""Rules and the SQL that names their customers; spreads and the SQL that counts by label."""

_RATE = "select sum(clicked)::bigint, sum(sent)::bigint, round(sum(clicked) / sum(sent), 3) from clicked_and_sent where cat = 'womens'"

VALUES = {
    "reader.read_all().num_rows": "select count(*) from champions join consenting using (k) where k not in (select k from unhappy)",
    'rate("segment \'champions\'", "womens")': f"{_RATE} and k in (select k from champions)",
    'rate("everyone", "womens")': _RATE,
    "rate(\"affinity['womens'] = '0.8..'\", \"womens\")": f"{_RATE} and k in (select k from shares where dep = 'womens' and share >= 0.8)",
    "table.num_rows": "select count(*) from universe",
    'index.report["orders"].unowned, index.report["orders"].rejected': "select count(*) filter (customer_id is null), 0 from orders",
}
"""Other expressions of the page, and the SQL that gives their value or tuple of values."""


def bucket(salt: str, key: int, count: int) -> int:
    """The stable number of a customer, by the hash's own library."""
    return int(xxhash.xxh3_64_intdigest(salt.encode() + b"\0" + str(key).encode()) % count)
