# ruff: noqa: E501  (a rule and its SQL read best as one line of a table)
"""Rules over the generated retailer, each beside its SQL.

The clock stands at 2026-06-30 09:30 in UTC, half past ten in London, a Tuesday. Some rows are later than that.
Arithmetic is of float64 in the units of the values, so sums of cents are divided by 100 before they meet.
A return may be booked on the basket that it came from: the basket's time is still that of its earliest row.
"""

from __future__ import annotations

from tests.proof.harness import Case

VIEWS = """
create macro clock() as timestamp '2026-06-30 09:30';
create table lines as
    select customer_id k, coalesce('basket ' || basket_id, 'row ' || o.rowid) b, timezone('UTC', ordered_at) ts,
           o.product_id pid, quantity q, round(amount * 100)::bigint cents, round(discount * 100)::bigint disc,
           channel::varchar channel, rating, p.department::varchar dep, p.category::varchar cat, p.brand::varchar brand
    from orders o left join products p on p.product_id = o.product_id
    where customer_id is not null and timezone('UTC', ordered_at) <= clock();
create table baskets as
    select k, b, min(ts) ts, sum(cents) cents, sum(disc) disc, sum(q) q, count(*) n from lines group by k, b;
create table mails as
    select customer_id k, message_id m, timezone('UTC', "at") ts, action::varchar action, category::varchar cat, campaign
    from emails where timezone('UTC', "at") <= clock();
create table seen as
    select customer_id k, timezone('UTC', timezone('Europe/London', "at")) ts, "at" here, minutes, pages,
           department::varchar dep, device::varchar device
    from visits where customer_id is not null and timezone('UTC', timezone('Europe/London', "at")) <= clock();
create table carts as
    select customer_id k, timezone('UTC', "at") ts, p.department::varchar dep, round(c.price * 100)::bigint cents
    from cart_adds c left join products p using (product_id) where timezone('UTC', "at") <= clock();
create table plans as
    select customer_id k, timezone('UTC', changed_at) ts, plan::varchar plan, fee, renews_on, auto
    from subscriptions where timezone('UTC', changed_at) <= clock();
create table universe as
    select customer_id k from customers union select customer_id from orders where customer_id is not null
    union select customer_id from emails union select customer_id from visits where customer_id is not null
    union select customer_id from cart_adds union select customer_id from tickets
    union select customer_id from subscriptions;
create table people as
    select u.k, c.* exclude customer_id from universe u left join customers c on c.customer_id = u.k;
create view shares as
    select k, dep, part / total share
    from (select k, dep, sum(cents) part from lines where dep is not null group by k, dep)
    join (select k, sum(cents) total from lines group by k having sum(cents) <> 0) using (k);
create view clicks as
    select k, cat, count(distinct m) filter (action = 'click') / count(distinct m) filter (action = 'sent') rate
    from mails where cat is not null group by k, cat having count(distinct m) filter (action = 'sent') > 0;
create view since as select k, epoch_us(clock() - max(ts)) / 86.4e9 d from baskets group by k;
create table spend_year as
    select u.k, coalesce(sum(cents), 0) v
    from universe u left join baskets b on b.k = u.k and b.ts > '2025-06-30 09:30' group by u.k;
create table tiers as
    with positive as (select v, rank() over (order by v) - 1 below, count(*) over () n from spend_year where v > 0),
         edges as (select i, min(v) edge from positive, range(1, 5) r(i) where below * 5 >= i * n group by i)
    select k, 1 + (select count(*) from edges where edge <= v) tier from spend_year;
create table stages as
    select u.k, case when count(b.b) = 0 then 'lead'
                     when epoch_us(clock() - min(ts)) / 86.4e9 <= 90 then 'new'
                     when count(b.b) >= 4 and epoch_us(clock() - max(ts)) / 86.4e9 <= 180 then 'regular'
                     when epoch_us(clock() - max(ts)) / 86.4e9 <= 365 then 'active'
                     else 'inactive' end stage
    from universe u left join baskets b using (k) group by u.k;
create view rates as
    select k, count(distinct m) filter (action = 'open') / count(distinct m) filter (action = 'sent') rate
    from mails where ts > '2025-06-30 09:30' group by k having count(distinct m) filter (action = 'sent') > 0;
create view renewals as
    select k, coalesce(min(renews_on) filter (renews_on >= '2026-06-30'), max(renews_on)) - date '2026-06-30' as left_days
    from plans where renews_on is not null group by k;
"""

CASES = [
    # --- counts, windows, units --------------------------------------------------------------------------------
    Case("count in months", "orders_3m > 3", "select k from baskets where ts > '2026-03-30 09:30' group by k having count(*) > 3"),
    Case(
        "months into winter time",
        "spend_6m >= 500",
        "select k from baskets where ts > '2025-12-30 10:30' group by k having sum(cents) >= 50000",
    ),
    Case("rows of baskets", "lines_1y >= 10", "select k from baskets where ts > '2025-06-30 09:30' group by k having sum(n) >= 10"),
    Case("never ordered", "orders_ever = 0", "select k from universe where k not in (select k from lines)"),
    Case(
        "not of a comparison takes everybody else",
        "not orders_ever > 2",
        "select k from universe where k not in (select k from baskets group by k having count(*) > 2)",
    ),
    Case(
        "rolling window that ended",
        "count(orders, 365d..180d) >= 5",
        "select k from baskets where ts > clock() - interval 365 day and ts <= clock() - interval 180 day "
        "group by k having count(*) >= 5",
    ),
    Case(
        "stopped",
        "did(orders, 2y) and not did(orders, 1y)",
        "select k from baskets group by k having bool_or(ts > '2024-06-30 09:30') and not bool_or(ts > '2025-06-30 09:30')",
    ),
    Case(
        "window in weeks and hours",
        "did(visits, 2w) and not did(visits, 72h)",
        "select k from seen group by k having max(ts) > clock() - interval 14 day and max(ts) <= clock() - interval 72 hour",
    ),
    Case(
        "minutes",
        "did(visits, 90min)",
        "select distinct k from seen where ts > clock() - interval 90 minute",
    ),
    Case(
        "dates in winter time",
        "sum(orders.amount, 2025-11-24..2025-12-01) > 100",
        "select k from baskets where ts >= '2025-11-24 00:00' and ts < '2025-12-01 00:00' "
        "group by k having sum(cents) > 10000",
    ),
    Case(
        "dates in summer time",
        "count(orders, 2026-06-01..2026-06-15) >= 2",
        "select k from baskets where ts >= '2026-05-31 23:00' and ts < '2026-06-14 23:00' group by k having count(*) >= 2",
    ),
    Case(
        "dates of naive local times over the change of clocks",
        "count(visits, 2025-10-20..2025-10-27) >= 2",
        "select k from seen where here >= '2025-10-20' and here < '2025-10-27' group by k having count(*) >= 2",
    ),
    Case(
        "calendar days",
        "count(visits, calendar 30d) >= 4",
        "select k from seen where here >= '2026-05-31' and here < '2026-06-30' group by k having count(*) >= 4",
    ),
    Case(
        "calendar days and today so far",
        "visits_week >= 2",
        "select k from seen where here >= '2026-06-24' group by k having count(*) >= 2",
    ),
    Case(
        "this month",
        "count(emails, this mo, where action = 'sent') >= 2",
        "select k from mails where action = 'sent' and ts >= '2026-05-31 23:00' group by k having count(*) >= 2",
    ),
    Case(
        "this week and day",
        "did(visits, this w) and not did(visits, this d)",
        "select k from seen where here >= '2026-06-29' group by k having max(here) < '2026-06-30'",
    ),
    Case(
        "previous week",
        "did(cart_adds, previous w)",
        "select distinct k from carts where ts >= '2026-06-21 23:00' and ts < '2026-06-28 23:00'",
    ),
    Case(
        "previous year",
        "sum(orders.amount, previous y) >= 2000",
        "select k from baskets where ts >= '2025-01-01' and ts < '2026-01-01' group by k having sum(cents) >= 200000",
    ),
    Case(
        "last order after a date",
        "last_order > 2026-06-20",
        "select k from baskets group by k having max(ts) >= '2026-06-20 23:00'",
    ),
    # --- values of baskets, returns ----------------------------------------------------------------------------
    Case(
        "mean between",
        "basket_value between 50 and 150",
        "select k from baskets group by k having sum(cents) between 5000 * count(*) and 15000 * count(*)",
    ),
    Case("median", "median_basket >= 80", "select k from baskets group by k having median(cents) >= 8000"),
    Case("max", "largest > 400", "select k from baskets group by k having max(cents) > 40000"),
    Case("a basket of returns only", "smallest < 0", "select distinct k from baskets where cents < 0"),
    Case(
        "spent less than nothing",
        "spend_ever <= 0 and orders_ever > 0",
        "select k from baskets group by k having sum(cents) <= 0",
    ),
    Case("having", "big_baskets >= 3", "select k from baskets where cents >= 10000 group by k having count(*) >= 3"),
    Case(
        "where, then having, then the window of what is left",
        "count(orders, 1y, where department = 'shoes', having amount >= 50 and quantity >= 2) >= 1",
        "select distinct k from (select k, b, min(ts) ts, sum(cents) cents, sum(q) q from lines where dep = 'shoes' "
        "group by k, b) where ts > '2025-06-30 09:30' and cents >= 5000 and q >= 2",
    ),
    Case(
        "returns by their own time",
        "returns_1y >= 2 and returns_1y > 0.2 * lines_1y",
        "select k from (select k, sum(n) r from (select k, b, min(ts) ts, count(*) n from lines where cents < 0 "
        "group by k, b) where ts > '2025-06-30 09:30' group by k) left join (select k, sum(n) n from baskets "
        "where ts > '2025-06-30 09:30' group by k) using (k) where r >= 2 and r > 0.2::double * coalesce(n, 0)",
    ),
    Case(
        "distinct products",
        "products_1y between 3 and 5",
        "select k from lines join (select k, b from baskets where ts > '2025-06-30 09:30') using (k, b) "
        "group by k having count(distinct pid) between 3 and 5",
    ),
    Case("a field by row", "mean_rating < 2.5", "select k from lines where rating is not null group by k having avg(rating) < 2.5"),
    Case("a field by row, never known", "mean_rating is missing", "select k from universe where k not in (select k from lines where rating is not null)"),
    Case(
        "min and max by row",
        "min(orders.rating) = 1 and max(orders.rating) = 5",
        "select k from lines group by k having min(rating) = 1 and max(rating) = 5",
    ),
    # --- rhythm, recency, first and last -----------------------------------------------------------------------
    Case(
        "mean gap and mean value",
        "order_gap between 30 and 60 and basket_value between 50 and 150",
        "select k from baskets group by k having count(*) > 1 "
        "and epoch_us(max(ts) - min(ts)) / (count(*) - 1) / 86.4e9 between 30 and 60 "
        "and sum(cents) between 5000 * count(*) and 15000 * count(*)",
    ),
    Case(
        "overdue by the own rhythm",
        "since_order > 3 * order_gap and orders_ever >= 4 and since_order <= 365",
        "select k from baskets join since using (k) group by k, d having count(*) >= 4 and d <= 365 "
        "and d > 3 * (epoch_us(max(ts) - min(ts)) / (count(*) - 1) / 86.4e9)",
    ),
    Case("since the first", "since_first <= 90", "select k from baskets group by k having min(ts) >= clock() - interval 90 day"),
    Case(
        "first order on a date",
        "first_order between 2026-01-01 and 2026-01-31",
        "select k from baskets group by k having timezone('Europe/London', timezone('UTC', min(ts)))::date "
        "between '2026-01-01' and '2026-01-31'",
    ),
    Case("last order before a moment", "last_order < 2024-01-01T12:00:00Z", "select k from baskets group by k having max(ts) < '2024-01-01 12:00'"),
    Case(
        "moved to another channel",
        "last_channel != first_channel",
        "select k from lines group by k "
        "having first(channel order by ts, channel desc) <> first(channel order by ts desc, channel desc)",
    ),
    Case(
        "a smaller plan than before",
        "plan < plan_before",
        "select n.k from (select k, arg_max(plan, ts) plan from plans group by k) n join "
        "(select k, arg_max(plan, ts) plan from plans where ts <= clock() - interval 90 day group by k) o using (k) "
        "where list_position(['basic', 'plus', 'family'], n.plan) < list_position(['basic', 'plus', 'family'], o.plan)",
    ),
    Case(
        "the last of a bool",
        "last_value(subscriptions.auto) = false",
        "select k from plans group by k having not arg_max(auto, ts)",
    ),
    # --- shares, ratios, formulas ------------------------------------------------------------------------------
    Case(
        "share of rows",
        "reduced_share > 0.6 and orders_ever >= 3",
        "select k from lines group by k having count(*) filter (disc > 0) / count(*) > 0.6 and count(distinct b) >= 3",
    ),
    Case(
        "share of transactions",
        "app_share between 0.25 and 0.5",
        "select k from lines group by k "
        "having count(distinct b) filter (channel = 'app') / count(distinct b) between 0.25 and 0.5",
    ),
    Case(
        "share straight from the stream",
        "share(orders, 1y, where brand = 'own') > 0.8",
        "select k from (select k, sum(n) n from baskets where ts > '2025-06-30 09:30' group by k) join "
        "(select k, sum(n) own from (select k, b, min(ts) ts, count(*) n from lines where brand = 'own' group by k, b) "
        "where ts > '2025-06-30 09:30' group by k) using (k) where own / n > 0.8",
    ),
    Case("open rate in a band", "open_rate between 0.2 and 0.3", "select k from rates where rate between 0.2 and 0.3"),
    Case("nothing was sent", "open_rate is missing", "select k from universe where k not in (select k from rates)"),
    Case(
        "a formula of metrics",
        "trend < -20 and spend_1y > 0",
        "select k from spend_year left join (select k, sum(cents) s from baskets where ts > '2025-12-30 10:30' group by k) "
        "using (k) where v > 0 and coalesce(s, 0) / 100 / 6 - v / 100 / 12 < -20",
    ),
    Case(
        "discount depth",
        "discount_rate >= 0.2",
        "select k from baskets where ts > '2025-06-30 09:30' group by k having sum(cents) + sum(disc) <> 0 "
        "and (sum(disc) / 100) / (sum(cents) / 100 + sum(disc) / 100) >= 0.2",
    ),
    Case(
        "a share of two sums",
        "sum(orders.discount) / sum(orders.amount) > 0.3",
        "select k from baskets group by k having sum(cents) <> 0 and (sum(disc) / 100) / (sum(cents) / 100) > 0.3",
    ),
    Case(
        "minus, brackets, precedence",
        "2 * (orders_3m + 1) - opens_3m / 2 >= 5",
        "select u.k from universe u left join (select k, count(*) o from baskets where ts > '2026-03-30 09:30' group by k) "
        "using (k) left join (select k, count(distinct m) r from mails where action = 'open' and ts > '2026-03-30 09:30' "
        "group by k) using (k) where 2 * (coalesce(o, 0) + 1) - coalesce(r, 0) / 2 >= 5",
    ),
    # --- families, any -----------------------------------------------------------------------------------------
    Case("share of a category", "value_share['womens'] > 0.5", "select k from shares where dep = 'womens' and share > 0.5"),
    Case("any category", "value_share[any] > 0.75", "select distinct k from shares where share > 0.75"),
    Case("no category", "not value_share[any] > 0.2", "select k from universe where k not in (select k from shares where share > 0.2)"),
    Case("share of a category below nothing", "value_share[any] < 0", "select distinct k from shares where share < 0"),
    Case(
        "value and click rate of one category",
        "any c (value_share[c] > 0.5 and click_rate[c] > 0.2)",
        "select distinct shares.k from shares join clicks on shares.k = clicks.k and dep = cat where share > 0.5 and rate > 0.2",
    ),
    Case(
        "value and click rate of any categories",
        "value_share[any] > 0.5 and click_rate[any] > 0.2",
        "select distinct k from shares where share > 0.5 and k in (select k from clicks where rate > 0.2)",
    ),
    Case(
        "two families in one comparison",
        "bought[any] < browsed[any] - 2",
        "select distinct seen.k from (select k, dep, count(*) n from seen where ts > '2025-12-30 10:30' "
        "and dep is not null group by k, dep) seen left join (select k, dep, count(*) n from (select k, dep, b, min(ts) ts "
        "from lines group by k, dep, b) where ts > '2025-06-30 09:30' group by k, dep) l "
        "on l.k = seen.k and l.dep = seen.dep where coalesce(l.n, 0) < seen.n - 2",
    ),
    Case(
        "a family of a comparison of both sides with a variable",
        "any d (browsed[d] >= 2 and bought[d] = 0)",
        "select distinct s.k from (select k, dep from seen where ts > '2025-12-30 10:30' and dep is not null "
        "group by k, dep having count(*) >= 2) s anti join (select k, dep from (select k, dep, b, min(ts) ts from lines "
        "group by k, dep, b) where ts > '2025-06-30 09:30') l on l.k = s.k and l.dep = s.dep",
    ),
    Case(
        "recency of a category",
        "since_bought['garden'] > 365",
        "select k from (select k, b, min(ts) ts from lines where dep = 'garden' group by k, b) group by k "
        "having max(ts) < clock() - interval 365 day",
    ),
    Case("a sum of a category", "spend_on['garden'] < 0", "select k from lines where dep = 'garden' group by k having sum(cents) < 0"),
    Case("click rate missing", "click_rate['toys'] is missing", "select k from universe where k not in (select k from clicks where cat = 'toys')"),
    Case("click rate is nothing, but something was sent", "click_rate['toys'] = 0", "select k from clicks where cat = 'toys' and rate = 0"),
    Case(
        "bands of a family",
        "affinity['womens'] in ('0.5..0.75', '0.75..')",
        "select k from shares where dep = 'womens' and share >= 0.5",
    ),
    Case(
        "bands of any category",
        "affinity[any] = '0.5..0.75'",
        "select distinct k from shares where share >= 0.5 and share < 0.75",
    ),
    Case(
        "arithmetic of two families",
        "bought['shoes'] / browsed['shoes'] >= 1.5",
        "select s.k from (select k, count(*) n from seen where ts > '2025-12-30 10:30' and dep = 'shoes' group by k) s "
        "join (select k, count(*) n from (select k, b, min(ts) ts from lines where dep = 'shoes' group by k, b) "
        "where ts > '2025-06-30 09:30' group by k) l using (k) where l.n / s.n >= 1.5",
    ),
    Case(
        "two families, divided by nothing",
        "bought['shoes'] / browsed['shoes'] is missing and bought['shoes'] >= 1",
        "select distinct k from (select k, b, min(ts) ts from lines where dep = 'shoes' group by k, b) "
        "where ts > '2025-06-30 09:30' and k not in (select k from seen where ts > '2025-12-30 10:30' and dep = 'shoes')",
    ),
    Case(
        "a mean by category",
        "mean(orders.amount, 1y, by = department)['shoes'] > 150",
        "select k from (select k, b, min(ts) ts, sum(cents) cents from lines where dep = 'shoes' group by k, b) "
        "where ts > '2025-06-30 09:30' group by k having avg(cents) > 15000",
    ),
    Case(
        "a median and a greatest by category",
        "median(orders.amount, by = channel)['shop'] > max(orders.amount, by = channel)['app']",
        "select s.k from (select k, median(c) m from (select k, b, sum(cents) c from lines where channel = 'shop' "
        "group by k, b) group by k) s join (select k, max(c) m from (select k, b, sum(cents) c from lines "
        "where channel = 'app' group by k, b) group by k) a using (k) where s.m > a.m",
    ),
    Case(
        "rows and distinct by category",
        "any d (rows(orders, by = department)[d] >= 6 and distinct(orders.product_id, by = department)[d] <= 3)",
        "select distinct k from lines where dep is not null group by k, dep having count(*) >= 6 and count(distinct pid) <= 3",
    ),
    Case(
        "gap by category",
        "mean_gap(visits, by = department)[any] between 6.5 and 7.5",
        "select distinct k from seen where dep is not null group by k, dep having count(*) > 1 "
        "and epoch_us(max(ts) - min(ts)) / (count(*) - 1) / 86.4e9 between 6.5 and 7.5",
    ),
    Case(
        "first and last by category",
        "first(orders, by = department)['toys'] >= 2025-01-01 and last(orders, by = department)['books'] < 2025-01-01",
        "select t.k from (select k, min(ts) ts from lines where dep = 'toys' group by k) t join "
        "(select k, max(ts) ts from (select k, b, min(ts) ts from lines where dep = 'books' group by k, b) group by k) o "
        "using (k) where t.ts >= '2025-01-01' and o.ts < '2025-01-01'",
    ),
    Case(
        "least by category, of those that have it",
        "min(visits.minutes, by = device)['tablet'] < 5 and not min(visits.minutes, by = device)['phone'] < 5",
        "select k from seen group by k having min(minutes) filter (device = 'tablet' and not isnan(minutes)) < 5 and "
        "coalesce(min(minutes) filter (device = 'phone' and not isnan(minutes)), 99) >= 5",
    ),
    # --- e-mails, visits, carts --------------------------------------------------------------------------------
    Case(
        "opened since",
        "since_open <= 14 and opens_3m >= 2",
        "select k from (select k, m, min(ts) ts from mails where action = 'open' group by k, m) group by k "
        "having max(ts) >= clock() - interval 14 day and count(*) filter (ts > '2026-03-30 09:30') >= 2",
    ),
    Case(
        "text in where, ignoring case",
        "count(emails, where campaign starts with 'spring' ignoring case and action = 'open') >= 2",
        "select k from mails where lower(campaign) like 'spring%' and action = 'open' group by k having count(distinct m) >= 2",
    ),
    Case(
        "text in where, with case",
        "count(emails, where campaign contains 'Sale' and action in ('open', 'click')) >= 1",
        "select distinct k from mails where campaign like '%Sale%' and action in ('open', 'click')",
    ),
    Case(
        "mean of what is known",
        "minutes >= 12 and visits_1m >= 1",
        "select k from seen group by k having count(*) filter (ts > '2026-05-30 09:30') >= 1 and "
        "sum(minutes) filter (ts > '2025-06-30 09:30' and not isnan(minutes)) >= "
        "12 * count(minutes) filter (ts > '2025-06-30 09:30' and not isnan(minutes)) "
        "and count(minutes) filter (ts > '2025-06-30 09:30' and not isnan(minutes)) > 0",
    ),
    Case(
        "visited, but nothing is known of how long",
        "minutes is missing and did(visits, 1y)",
        "select k from seen where ts > '2025-06-30 09:30' group by k having count(minutes) filter (not isnan(minutes)) = 0",
    ),
    Case(
        "unknown, not in, and numbers in where",
        "count(visits, where device not in ('phone') and department is known and minutes > 20) >= 3",
        "select k from seen where device <> 'phone' and dep is not null and minutes > 20 and not isnan(minutes) "
        "group by k having count(*) >= 3",
    ),
    Case(
        "sum of an integer",
        "pages_1y > 100",
        "select k from seen where ts > '2025-06-30 09:30' group by k having sum(pages) > 100",
    ),
    Case(
        "filled a cart, did not buy",
        "carts_30d >= 1 and not did(orders, 30d)",
        "select distinct k from carts where ts > clock() - interval 30 day "
        "and k not in (select k from baskets where ts > clock() - interval 30 day)",
    ),
    Case(
        "a price through the lookup",
        "max(cart_adds.price, 1y) > 100",
        "select distinct k from carts where ts > '2025-06-30 09:30' and cents > 10000",
    ),
    # --- related tables, dates ---------------------------------------------------------------------------------
    Case(
        "a related table",
        "tickets >= 2 and open_tickets = 0",
        "select customer_id from tickets group by 1 having count(*) >= 2 and not bool_or(status = 'open')",
    ),
    Case(
        "mean of a related table",
        "content <= 2",
        "select customer_id from tickets where rating is not null group by 1 having avg(rating) <= 2",
    ),
    Case(
        "dates of a related table",
        "count(tickets, where opened >= today - 1y and not topic = 'delivery') >= 1",
        "select distinct customer_id from tickets where opened >= '2025-06-30' and (topic <> 'delivery' or topic is null)",
    ),
    Case("renewal due", "renewal between 0 and 30", "select k from renewals where left_days between 0 and 30"),
    Case("overdue for renewal", "renewal < 0", "select k from renewals where left_days < 0"),
    # --- attributes --------------------------------------------------------------------------------------------
    Case(
        "in a list, and not in a segment",
        "country in ('GB', 'IE') and not segment 'no_email'",
        "select k from people where country in ('GB', 'IE') and email_consent",
    ),
    Case("different and known", "country != 'GB'", "select k from people where country <> 'GB'"),
    Case("not equal takes the unknown in", "not country = 'GB'", "select k from people where country is distinct from 'GB'"),
    Case("not in, and known", "country not in ('GB', 'IE', 'FR')", "select k from people where country not in ('GB', 'IE', 'FR')"),
    Case(
        "ordered, or missing",
        "income is missing or income >= '75-99K'",
        "select k from people where income is null or income in ('75-99K', '100K+')",
    ),
    Case(
        "a value outside the order",
        "not income < '50-74K' and income is known",
        "select k from people where income in ('50-74K', '75-99K', '100K+', 'undisclosed')",
    ),
    Case("folded", "tier = 'gold'", "select k from people where tier in ('gold', 'Gold')"),
    Case("bool", "email_consent = false", "select k from people where not email_consent"),
    Case("not of a bool", "not email_consent = true", "select k from people where email_consent is distinct from true"),
    Case("tags, any", "tags has any ('vip', 'press')", "select k from people where list_has_any(tags, ['vip', 'press'])"),
    Case("tags, all", "tags has all ('vip', 'student')", "select k from people where list_has_all(tags, ['vip', 'student'])"),
    Case("tags, none", "tags has none ('vip')", "select k from people where not list_contains(tags, 'vip')"),
    Case("not tags", "not tags has any ('vip')", "select k from people where tags is null or not list_contains(tags, 'vip')"),
    Case("no list of tags", "tags is missing", "select k from people where tags is null"),
    Case("text ends with", "email ends with '@gmail.com'", "select k from people where email like '%@gmail.com'"),
    Case("text, ignoring case", "email contains 'EXAMPLE' ignoring case", "select k from people where email ilike '%example%'"),
    Case("text is missing", "email is missing and email_consent = true", "select k from people where email is null and email_consent"),
    Case("age", "age between 30 and 39", "select k from people where date_part('year', age(date '2026-06-30', birth_date)) between 30 and 39"),
    Case("dates", "birth_date < 1960-01-01 and signup >= 2025-01-01", "select k from people where birth_date < '1960-01-01' and signup >= '2025-01-01'"),
    Case("today less a year", "signup between today - 1y and today - 1mo", "select k from people where signup between '2025-06-30' and '2026-05-30'"),
    Case("days since an attribute", "tenure <= 180", "select k from people where signup >= date '2026-06-30' - 180"),
    Case("integer attribute", "points > 500 and points <= 1000", "select k from people where points > 500 and points <= 1000"),
    Case("number with a scale", "credit between 10.5 and 20.25", "select k from people where credit between 10.5 and 20.25"),
    Case("not a number is missing", "risk is missing", "select k from people where risk is null or isnan(risk)"),
    Case("arithmetic of attributes", "risk * 100 < credit", "select k from people where risk * 100 < credit and not isnan(risk)"),
    Case("known only by what they put into carts", "signup is missing", "select k from universe where k not in (select customer_id from customers)"),
    Case("text in a list", "email in ('user2@gmail.com', 'user8@gmail.com', 'user8@GMAIL.com', 'nobody@gmail.com')", "select k from people where email in ('user2@gmail.com', 'user8@gmail.com')"),
    Case("an unknown category", "country = 'XX' or tags has any ('nothing', 'staff')", "select k from people where list_contains(tags, 'staff')"),
    Case("a product by its id", "count(orders, where product_id in ('3', '120')) >= 2", "select k from lines where pid in (3, 120) group by k having count(distinct b) >= 2"),
    Case("not of an unknown id", "not did(orders, where product_id != '0') and orders_ever > 0", "select k from lines group by k having bool_and(pid = 0)"),
    # --- bands, stages, segments -------------------------------------------------------------------------------
    Case("champions", "segment 'champions'", "select k from tiers join since using (k) where tier = 5 and d < 90"),
    Case("fifths in order", "value_tier between '2' and '3'", "select k from tiers where tier between 2 and 3"),
    Case("a band by order", "recency >= 'cold'", "select k from since where d >= 180"),
    Case("no band", "recency is missing", "select k from universe where k not in (select k from lines)"),
    Case("a band of a rate", "opens = '0.2..0.3'", "select k from rates where rate >= 0.2 and rate < 0.3"),
    Case("a band of an age", "ages = '25..35'", "select k from people where date_part('year', age(date '2026-06-30', birth_date)) between 25 and 34"),
    Case("a band of an attribute", "loyalty >= 'friend'", "select k from people where points >= 200"),
    Case("stage lead", "lifecycle = 'lead'", "select k from stages where stage = 'lead'"),
    Case("stage regular", "lifecycle = 'regular'", "select k from stages where stage = 'regular'"),
    Case("stages but two", "not lifecycle in ('lead', 'inactive')", "select k from stages where stage in ('new', 'regular', 'active')"),
    Case(
        "win back",
        "segment 'win_back'",
        "select k from stages join since using (k) where stage = 'active' and d > 180 and k in "
        "(select k from mails where action = 'open' and ts > '2026-03-30 09:30')",
    ),
    Case(
        "segments that use each other",
        "segment 'champions_to_mail' or segment 'leads'",
        "select k from people left join tiers using (k) left join since using (k) left join stages using (k) where "
        "tiers.tier = 5 and d < 90 and email_consent or stage = 'lead' and signup >= date '2026-06-30' - 180",
    ),
    Case(
        "buys anyway",
        "segment 'buys_anyway'",
        "select k from baskets where ts > '2025-06-30 09:30' group by k having sum(cents) >= 10000 "
        "and (sum(disc) / 100) / (sum(cents) / 100 + sum(disc) / 100) < 0.02 "
        "and k not in (select k from mails where action = 'open' and ts > '2025-06-30 09:30')",
    ),
]  # fmt: skip
