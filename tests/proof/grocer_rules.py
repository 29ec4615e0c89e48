# ruff: noqa: E501  (a rule and its SQL read best as one line of a table)
"""Rules over the Complete Journey at two moments, each beside its SQL.

The year ends on 2018-01-01 at midnight in New York, 05:00 in UTC. Midyear is Wednesday, 2017-08-16, half past eleven
in the morning in New York, 15:30 in UTC: more than a third of the rows are later than that.
Arithmetic is of float64 in the units of the values, so sums of cents are divided by 100 before they meet.
"""

from __future__ import annotations

from tests.proof.harness import Case

VIEWS = """
create macro local(t) as timezone('America/New_York', timezone('UTC', t));
create table lines as
    select household_id k, basket_id b, transaction_timestamp ts, store_id store, quantity q,
           round(sales_value * 100)::bigint cents, round(retail_disc * 100)::bigint retail,
           round(coupon_disc * 100)::bigint coupon, p.department dep, p.product_category cat, p.brand brand
    from transactions left join products p using (product_id);
create table baskets as
    select k, b, min(ts) ts, sum(cents) cents, sum(q) q from lines group by k, b;
create table universe as
    select household_id k from transactions union select household_id from demographics
    union select household_id from campaigns union select household_id from coupon_redemptions;
create view people as
    select u.k, d.* exclude household_id from universe u left join demographics d on d.household_id = u.k;
create view sent as
    select household_id k, campaign_type type, start_date::date starts, end_date::date ends
    from campaigns left join campaign_descriptions using (campaign_id);
create view shares as
    select k, dep, part / total share
    from (select k, dep, sum(cents) part from lines where dep is not null group by k, dep)
    join (select k, sum(cents) total from lines group by k having sum(cents) <> 0) using (k);
create view spend_year as
    select u.k, coalesce(sum(cents), 0) v
    from universe u left join baskets b on b.k = u.k and b.ts > '2017-01-01 05:00' group by u.k;
create view since as select k, epoch_us(timestamp '2018-01-01 05:00' - max(ts)) / 86.4e9 d from baskets group by k;
"""

# Quintiles by their definition: the smallest value that has i fifths of all positive values below it.
TIERS = """
with positive as (select v, rank() over (order by v) - 1 below, count(*) over () n from spend_year where v > 0),
     edges as (select i, min(v) edge from positive, range(1, 5) r(i) where below * 5 >= i * n group by i),
     tiers as (select k, 1 + (select count(*) from edges where edge <= v) tier from spend_year)
"""

LIFECYCLE = """
with facts as (
    select u.k, local(min(ts))::date first_day, max(ts) latest,
           count(*) filter (ts > '2017-10-01 04:00') recent
    from universe u left join baskets b using (k) group by u.k),
stages as (
    select k, case when first_day >= date '2018-01-01' - 60 then 'new'
                   when recent >= 24 and latest >= timestamp '2018-01-01 05:00' - interval 14 day then 'loyal'
                   when latest >= timestamp '2018-01-01 05:00' - interval 30 day then 'active'
                   when latest >= timestamp '2018-01-01 05:00' - interval 90 day then 'lapsing'
                   else 'lost' end stage
    from facts)
"""

YEAR_END = [
    # --- counts, windows ---------------------------------------------------------------------------------------
    Case(
        "count in days",
        "orders_30d > 8",
        "select k from baskets where ts > timestamp '2018-01-01 05:00' - interval 30 day group by k having count(*) > 8",
    ),
    Case(
        "count in months",
        "orders_3m >= 24",
        "select k from baskets where ts > '2017-10-01 04:00' group by k having count(*) >= 24",
    ),
    Case(
        "count of nothing is 0",
        "orders_3m = 0",
        "select k from universe where k not in (select k from baskets where ts > '2017-10-01 04:00')",
    ),
    Case(
        "rows, not baskets",
        "rows(orders, 30d) > 150",
        "select k from lines where ts > timestamp '2018-01-01 05:00' - interval 30 day group by k having count(*) > 150",
    ),
    Case(
        "rows a basket",
        "rows(orders) / count(orders) < 4",
        "select k from lines group by k having count(*) / count(distinct b) < 4",
    ),
    Case(
        "sum in a month",
        "spend_1m between 100 and 200",
        "select k from baskets where ts > '2017-12-01 05:00' group by k having sum(cents) between 10000 and 20000",
    ),
    Case(
        "sum from and to",
        "spend_before > 500",
        "select k from baskets where ts > '2017-07-01 04:00' and ts <= '2017-10-01 04:00' "
        "group by k having sum(cents) > 50000",
    ),
    Case(
        "rolling window that ended",
        "count(orders, 180d..90d) >= 60",
        "select k from baskets where ts > timestamp '2018-01-01 05:00' - interval 180 day "
        "and ts <= timestamp '2018-01-01 05:00' - interval 90 day group by k having count(*) >= 60",
    ),
    Case(
        "everything but the last weeks",
        "count(orders, ..30d) >= 1 and count(orders, 30d) = 0",
        "select k from baskets group by k having max(ts) <= timestamp '2018-01-01 05:00' - interval 30 day",
    ),
    Case(
        "window in weeks",
        "sum(orders.amount, 12w) >= 1000",
        "select k from baskets where ts > timestamp '2018-01-01 05:00' - interval 84 day "
        "group by k having sum(cents) >= 100000",
    ),
    Case(
        "window in hours",
        "did(orders, 36h)",
        "select distinct k from baskets where ts > '2017-12-30 17:00'",
    ),
    Case(
        "dates: Thanksgiving",
        "sum(orders.amount, 2017-11-23..2017-11-27) > 100",
        "select k from baskets where local(ts) >= '2017-11-23' and local(ts) < '2017-11-27' "
        "group by k having sum(cents) > 10000",
    ),
    Case(
        "dates across the change of clocks",
        "count(orders, 2017-03-12..2017-03-13) >= 1 or count(orders, 2017-11-05..2017-11-06) >= 1",
        "select distinct k from baskets where ts >= '2017-03-12 05:00' and ts < '2017-03-13 04:00' "
        "or ts >= '2017-11-05 04:00' and ts < '2017-11-06 05:00'",
    ),
    Case(
        "calendar days",
        "count(orders, calendar 7d) >= 3",
        "select k from baskets where local(ts)::date between '2017-12-25' and '2017-12-31' "
        "group by k having count(*) >= 3",
    ),
    Case(
        "previous month",
        "count(orders, previous mo) >= 15",
        "select k from baskets where local(ts)::date between '2017-12-01' and '2017-12-31' "
        "group by k having count(*) >= 15",
    ),
    Case(
        "previous week",
        "count(orders, previous w) >= 4",
        "select k from baskets where local(ts)::date between '2017-12-25' and '2017-12-31' "
        "group by k having count(*) >= 4",
    ),
    Case(
        "previous day",
        "did(orders, previous d)",
        "select distinct k from baskets where local(ts)::date = '2017-12-31'",
    ),
    Case(
        "previous year, and nothing in this one",
        "count(orders, previous y) >= 150 and not did(orders, this y)",
        "select k from baskets group by k having count(*) >= 150",
    ),
    # --- values of baskets -------------------------------------------------------------------------------------
    Case(
        "mean by basket",
        "basket_value >= 60",
        "select k from baskets group by k having sum(cents) >= 6000 * count(*)",
    ),
    Case("max by basket", "largest_basket > 250", "select k from baskets group by k having max(cents) > 25000"),
    Case("min by basket", "min(orders.amount) >= 3", "select k from baskets group by k having min(cents) >= 300"),
    Case(
        "median by basket",
        "median(orders.amount, 6mo) > 30",
        "select k from baskets where ts > '2017-07-01 04:00' group by k having median(cents) > 3000",
    ),
    Case(
        "range of baskets",
        "max(orders.amount) - min(orders.amount) < 25",
        "select k from baskets group by k having max(cents) - min(cents) < 2500",
    ),
    Case(
        "mean of an integer",
        "mean(orders.quantity, where department = 'PRODUCE') > 5",
        "select k from (select k, b, sum(q) q from lines where dep = 'PRODUCE' group by k, b) "
        "group by k having avg(q) > 5",
    ),
    Case(
        "sum of an integer, known departments only",
        "sum(orders.quantity, 30d, where department != 'FUEL') >= 200",
        "select k from lines where ts > timestamp '2018-01-01 05:00' - interval 30 day and dep <> 'FUEL' "
        "group by k having sum(q) >= 200",
    ),
    Case(
        "having",
        "big_baskets >= 5",
        "select k from baskets where cents >= 10000 group by k having count(*) >= 5",
    ),
    Case(
        "where, then having",
        "count(orders, 1y, where department = 'FUEL', having amount >= 40) >= 3",
        "select k from (select k, b, sum(cents) cents from lines where dep = 'FUEL' and ts > '2017-01-01 05:00' "
        "group by k, b) where cents >= 4000 group by k having count(*) >= 3",
    ),
    Case("distinct ids", "stores >= 6", "select k from lines group by k having count(distinct store) >= 6"),
    Case(
        "distinct categories, unknown ones left out",
        "variety >= 100",
        "select k from lines where ts > '2017-07-01 04:00' group by k having count(distinct cat) >= 100",
    ),
    # --- rhythm, recency ---------------------------------------------------------------------------------------
    Case(
        "mean gap",
        "order_gap < 2",
        "select k from baskets group by k having count(*) > 1 "
        "and epoch_us(max(ts) - min(ts)) / (count(*) - 1) / 86.4e9 < 2",
    ),
    Case(
        "mean gap missing",
        "order_gap is missing",
        "select k from universe where k not in (select k from baskets group by k having count(*) > 1)",
    ),
    Case(
        "mean gap of some baskets",
        "mean_gap(orders, where department = 'FUEL') between 5 and 10",
        "select k from (select k, b, min(ts) ts from lines where dep = 'FUEL' group by k, b) group by k "
        "having count(*) > 1 and epoch_us(max(ts) - min(ts)) / (count(*) - 1) / 86.4e9 between 5 and 10",
    ),
    Case(
        "overdue by the own rhythm",
        "since_order > 3 * order_gap and orders_ever >= 12",
        "select k from baskets join since using (k) group by k, d having count(*) >= 12 "
        "and d > 3 * (epoch_us(max(ts) - min(ts)) / (count(*) - 1) / 86.4e9)",
    ),
    Case("days since", "since_order > 30 and since_order <= 90", "select k from since where d > 30 and d <= 90"),
    Case(
        "days since, of some rows",
        "days_since(orders, where department = 'PRODUCE') > 60",
        "select k from lines where dep = 'PRODUCE' group by k "
        "having max(ts) < timestamp '2018-01-01 05:00' - interval 60 day",
    ),
    Case(
        "first order by local date",
        "first_order >= 2017-06-01",
        "select k from baskets group by k having local(min(ts))::date >= '2017-06-01'",
    ),
    Case(
        "first order on a local day",
        "first_order = 2017-01-02",
        "select k from baskets group by k having local(min(ts))::date = '2017-01-02'",
    ),
    Case(
        "last order up to a day, the day included",
        "last(orders) <= 2017-11-30",
        "select k from baskets group by k having local(max(ts))::date <= '2017-11-30'",
    ),
    Case(
        "last order after a moment",
        "last(orders) > 2017-12-31T23:00:00Z",
        "select k from baskets group by k having max(ts) > '2017-12-31 23:00'",
    ),
    Case(
        "last known value, ties the greatest",
        "last_value(orders.brand) = 'Private'",
        "select k from lines where brand is not null group by k "
        "having arg_max(brand, (epoch_us(ts), brand)) = 'Private'",
    ),
    Case(
        "first known value, ties the greatest",
        "first_value(orders.department) in ('PRODUCE', 'MEAT')",
        "select k from (select k, dep, row_number() over (partition by k order by ts, dep desc) i "
        "from lines where dep is not null) where i = 1 and dep in ('PRODUCE', 'MEAT')",
    ),
    # --- shares, families, any ---------------------------------------------------------------------------------
    Case(
        "share of value",
        "private_share > 0.4",
        "select k from lines group by k having sum(cents) <> 0 "
        "and coalesce(sum(cents) filter (brand = 'Private'), 0) / sum(cents) > 0.4",
    ),
    Case("share of a category", "value_share['PRODUCE'] > 0.15", "select k from shares where dep = 'PRODUCE' and share > 0.15"),
    Case(
        "share of a category is 0",
        "value_share['SPIRITS'] = 0",
        "select k from lines group by k having sum(cents) <> 0 "
        "and coalesce(sum(cents) filter (dep = 'SPIRITS'), 0) = 0",
    ),
    Case(
        "share of a category between",
        "value_share['MEAT'] between 0.1 and 0.2",
        "select k from shares where dep = 'MEAT' and share between 0.1 and 0.2",
    ),
    Case("any category", "value_share[any] > 0.75", "select distinct k from shares where share > 0.75"),
    Case(
        "the same category throughout",
        "any d (value_share[d] > 0.2 and baskets_with[d] between 1 and 5)",
        "select distinct k from shares join (select k, dep from lines where ts > '2017-07-01 04:00' and dep is not null "
        "group by k, dep having count(distinct b) between 1 and 5) using (k, dep) where share > 0.2",
    ),
    Case(
        "any category but one",
        "any d (value_share[d] > 0.75 and not value_share['GROCERY'] > 0.75)",
        "select distinct k from shares where share > 0.75 and dep <> 'GROCERY'",
    ),
    Case(
        "count by category is 0",
        "baskets_with['SEAFOOD'] = 0",
        "select k from universe where k not in (select k from lines where dep = 'SEAFOOD' and ts > '2017-07-01 04:00')",
    ),
    Case(
        "sums by category",
        "spend_on['DOMESTIC WINE'] + spend_on['IMPORTED WINE'] >= 30",
        "select k from lines where cat in ('DOMESTIC WINE', 'IMPORTED WINE') and ts > '2017-07-01 04:00' "
        "group by k having sum(cents) >= 3000",
    ),
    Case(
        "a category never seen",
        "baskets_with['NOWHERE'] = 0 and value_share['NOWHERE'] < 0.1",
        "select k from lines group by k having sum(cents) <> 0",
    ),
    Case(
        "family straight from the stream",
        "count(orders, 90d, by = department)['FLORAL'] >= 2",
        "select k from lines where dep = 'FLORAL' and ts > timestamp '2018-01-01 05:00' - interval 90 day "
        "group by k having count(distinct b) >= 2",
    ),
    Case(
        "a band of a category",
        "affinity['GROCERY'] = '0.5..'",
        "select k from shares where dep = 'GROCERY' and share >= 0.5",
    ),
    Case(
        "a band of a category other than the first",
        "affinity['FLORAL'] != '..0.05'",
        "select k from shares where dep = 'FLORAL' and share >= 0.05",
    ),
    Case(
        "the first band of a category, those without it included",
        "affinity['GROCERY'] = '..0.05'",
        "select k from lines group by k having sum(cents) <> 0 "
        "and coalesce(sum(cents) filter (dep = 'GROCERY'), 0) / sum(cents) < 0.05",
    ),
    Case(
        "a band in any category",
        "affinity[any] = '0.3..0.5' and not affinity[any] = '0.5..'",
        "select k from shares group by k having bool_or(share >= 0.3 and share < 0.5) and not bool_or(share >= 0.5)",
    ),
    # --- formulas, arithmetic ----------------------------------------------------------------------------------
    Case(
        "a formula",
        "discount_share >= 0.25",
        "select k from lines where ts > '2017-01-01 05:00' group by k having sum(cents + retail + coupon) <> 0 "
        "and (sum(retail) / 100 + sum(coupon) / 100) / (sum(cents) / 100 + sum(retail) / 100 + sum(coupon) / 100) >= 0.25",
    ),
    Case(
        "division by nothing is missing",
        "redeemed_a_mail > 1",
        "select k from (select household_id k, count(*) n from campaigns group by 1) join "
        "(select household_id k, count(*) r from coupon_redemptions group by 1) using (k) where r > n",
    ),
    Case(
        "missing where nothing was sent",
        "redeemed_a_mail is missing",
        "select k from universe where k not in (select household_id from campaigns)",
    ),
    Case(
        "arithmetic on both sides",
        "spend_3m > 2 * spend_before + 50",
        "select u.k from universe u left join baskets b using (k) group by u.k "
        "having coalesce(sum(cents) filter (ts > '2017-10-01 04:00'), 0) / 100 > 2 * "
        "(coalesce(sum(cents) filter (ts > '2017-07-01 04:00' and ts <= '2017-10-01 04:00'), 0) / 100) + 50",
    ),
    Case(
        "a ratio of two calls",
        "count(orders, 90d) / count(orders, 180d..90d) >= 2",
        "select k from baskets group by k having "
        "count(*) filter (ts <= timestamp '2018-01-01 05:00' - interval 90 day "
        "and ts > timestamp '2018-01-01 05:00' - interval 180 day) > 0 and "
        "count(*) filter (ts > timestamp '2018-01-01 05:00' - interval 90 day) >= 2 * "
        "count(*) filter (ts <= timestamp '2018-01-01 05:00' - interval 90 day "
        "and ts > timestamp '2018-01-01 05:00' - interval 180 day)",
    ),
    Case(
        "shopping for Christmas",
        "segment 'christmas'",
        "select k from spend_year join (select k, sum(cents) c from baskets where local(ts)::date "
        "between '2017-12-01' and '2017-12-25' group by k) using (k) where c / 100 > 2.5::double * (v / 100) / 12",
    ),
    # --- attributes --------------------------------------------------------------------------------------------
    Case(
        "ordered category",
        "income >= '100-124K'",
        "select k from people where income in ('100-124K', '125-149K', '150-174K', '175-199K', '200-249K', '250K+')",
    ),
    Case(
        "not of an ordered category takes the unknown in",
        "not income >= '25-34K'",
        "select k from people where income is null or income in ('Under 15K', '15-24K')",
    ),
    Case("different and known", "income != 'Under 15K'", "select k from people where income <> 'Under 15K'"),
    Case(
        "not in, and known",
        "home not in ('Homeowner', 'Probable Homeowner')",
        "select k from people where home_ownership in ('Renter', 'Probable Renter')",
    ),
    Case(
        "nobody knows them",
        "income is missing and spend_1y > 3000",
        "select k from people join spend_year using (k) where income is null and v > 300000",
    ),
    Case("between of an ordered category", "kids between '1' and '2'", "select k from people where kids_count in ('1', '2')"),
    Case(
        "or, and known",
        "(home = 'Renter' or marital = 'Unmarried') and household_size is known",
        "select k from people where (home_ownership = 'Renter' or marital_status = 'Unmarried')",
    ),
    Case(
        "ignoring case, contains",
        "household contains 'no kids' ignoring case and not age in ('65+')",
        "select k from people where household_comp like '%No Kids%' and age <> '65+'",
    ),
    Case("everyone", "everyone", "select k from universe"),
    # --- bands, stages, segments -------------------------------------------------------------------------------
    Case("a labelled band", "recency = 'lapsed'", "select k from since where d >= 60"),
    Case("bands in a list", "recency in ('hot', 'warm')", "select k from since where d < 7"),
    Case("bands by order", "recency > 'usual'", "select k from since where d >= 14"),
    Case("the highest fifth", "value_tier = '5'", TIERS + "select k from tiers where tier = 5"),
    Case("the lower fifths", "value_tier <= '2'", TIERS + "select k from tiers where tier <= 2"),
    Case("a stage", "lifecycle = 'loyal'", LIFECYCLE + "select k from stages where stage = 'loyal'"),
    Case("stages in a list", "lifecycle in ('new', 'lost')", LIFECYCLE + "select k from stages where stage in ('new', 'lost')"),
    Case("a stage between others", "lifecycle = 'lapsing'", LIFECYCLE + "select k from stages where stage = 'lapsing'"),
    Case(
        "a segment of a stage and a band",
        "segment 'heart'",
        LIFECYCLE + ", " + TIERS.strip().removeprefix("with") + "select k from stages join tiers using (k) "
        "where stage = 'loyal' and tier = 5",
    ),
    Case(
        "a segment without another",
        "segment 'frequent' and not segment 'heart'",
        LIFECYCLE + ", " + TIERS.strip().removeprefix("with") + "select k from stages join tiers using (k) "
        "where not (stage = 'loyal' and tier = 5) and k in (select k from baskets "
        "where ts > timestamp '2018-01-01 05:00' - interval 30 day group by k having count(*) > 8)",
    ),
    Case(
        "lost big spenders",
        "segment 'lost_gold'",
        TIERS + "select k from tiers join since using (k) where d >= 30 and tier >= 3 "
        "and k in (select k from baskets where cents >= 10000)",
    ),
    Case(
        "could buy flowers",
        "segment 'flowers'",
        TIERS + "select k from tiers where tier >= 3 and k in (select k from shares where dep = 'DELI' and share >= 0.05) "
        "and k not in (select k from lines where dep = 'FLORAL')",
    ),
    # --- related tables, redemptions ---------------------------------------------------------------------------
    Case(
        "a related table",
        "count(campaigns, where type = 'Type A') >= 4",
        "select k from sent where type = 'Type A' group by k having count(*) >= 4",
    ),
    Case("today in where", "segment 'in_campaign'", "select distinct k from sent where ends >= '2018-01-01'"),
    Case(
        "dates in where",
        "count(campaigns, where starts between 2017-10-01 and today - 30d and type in ('Type B', 'Type C')) >= 2",
        "select k from sent where starts between '2017-10-01' and '2017-12-02' and type in ('Type B', 'Type C') "
        "group by k having count(*) >= 2",
    ),
    Case(
        "mailed often, never redeemed",
        "campaigns_sent >= 6 and redeemed = 0",
        "select k from sent where k not in (select household_id from coupon_redemptions) "
        "group by k having count(*) >= 6",
    ),
    Case(
        "since a local date",
        "since_redeemed <= 30",
        "select household_id from coupon_redemptions group by 1 having max(redemption_date) >= '2017-12-02'",
    ),
    Case(
        "distinct ids of redemptions",
        "distinct(redemptions.campaign_id) >= 3",
        "select household_id from coupon_redemptions group by 1 having count(distinct campaign_id) >= 3",
    ),
    # --- where -------------------------------------------------------------------------------------------------
    Case(
        "contains in where",
        "count(orders, where category contains 'WINE') >= 5",
        "select k from lines where cat like '%WINE%' group by k having count(distinct b) >= 5",
    ),
    Case(
        "starts with, ignoring case, in where",
        "count(orders, where category starts with 'baby' ignoring case) >= 3",
        "select k from lines where cat like 'BABY%' group by k having count(distinct b) >= 3",
    ),
    Case(
        "not in where takes the unknown in",
        "count(orders, 3mo, where not department in ('GROCERY', 'DRUG GM')) >= 10",
        "select k from lines where ts > '2017-10-01 04:00' and (dep is null or dep not in ('GROCERY', 'DRUG GM')) "
        "group by k having count(distinct b) >= 10",
    ),
    Case(
        "missing in where",
        "rows(orders, where department is missing) >= 10",
        "select k from lines where dep is null group by k having count(*) >= 10",
    ),
    Case(
        "numbers and arithmetic in where",
        "count(orders, 1y, where retail > amount or coupon >= 5 and quantity > 1) >= 20",
        "select k from lines where ts > '2017-01-01 05:00' and (retail > cents or coupon >= 500 and q > 1) "
        "group by k having count(distinct b) >= 20",
    ),
    Case(
        "bought this, not that",
        "did(orders, 30d, where department = 'MEAT') and not did(orders, 90d, where department = 'SEAFOOD')",
        "select distinct k from lines where dep = 'MEAT' and ts > timestamp '2018-01-01 05:00' - interval 30 day "
        "and k not in (select k from lines where dep = 'SEAFOOD' "
        "and ts > timestamp '2018-01-01 05:00' - interval 90 day)",
    ),
]  # fmt: skip

MIDYEAR = [
    Case(
        "rows that are later do not count",
        "count(orders) >= 60",
        "select k from baskets where ts <= '2017-08-16 15:30' group by k having count(*) >= 60",
    ),
    Case(
        "known only by later rows",
        "count(orders) = 0",
        "select k from universe where k not in (select k from baskets where ts <= '2017-08-16 15:30')",
    ),
    Case(
        "this day",
        "did(orders, this d)",
        "select distinct k from baskets where ts >= '2017-08-16 04:00' and ts <= '2017-08-16 15:30'",
    ),
    Case(
        "this week",
        "count(orders, this w) >= 2",
        "select k from baskets where ts >= '2017-08-14 04:00' and ts <= '2017-08-16 15:30' "
        "group by k having count(*) >= 2",
    ),
    Case(
        "this month",
        "sum(orders.amount, this mo) > 200",
        "select k from baskets where ts >= '2017-08-01 04:00' and ts <= '2017-08-16 15:30' "
        "group by k having sum(cents) > 20000",
    ),
    Case(
        "this year, with winter time at its start",
        "count(orders, this y) between 10 and 20",
        "select k from baskets where ts >= '2017-01-01 05:00' and ts <= '2017-08-16 15:30' "
        "group by k having count(*) between 10 and 20",
    ),
    Case(
        "previous month",
        "count(orders, previous mo) >= 12",
        "select k from baskets where ts >= '2017-07-01 04:00' and ts < '2017-08-01 04:00' "
        "group by k having count(*) >= 12",
    ),
    Case(
        "previous week",
        "count(orders, previous w) >= 4",
        "select k from baskets where ts >= '2017-08-07 04:00' and ts < '2017-08-14 04:00' "
        "group by k having count(*) >= 4",
    ),
    Case(
        "calendar months: whole days up to last midnight",
        "sum(orders.amount, calendar 30d) > 400",
        "select k from baskets where local(ts)::date between '2017-07-17' and '2017-08-15' "
        "group by k having sum(cents) > 40000",
    ),
    Case(
        "months over the change of clocks",
        "count(orders, 6mo) >= 50",
        "select k from baskets where ts > '2017-02-16 16:30' and ts <= '2017-08-16 15:30' "
        "group by k having count(*) >= 50",
    ),
    Case(
        "a campaign that runs today",
        "count(campaigns, where starts <= today and ends >= today) >= 2",
        "select k from sent where '2017-08-16' between starts and ends group by k having count(*) >= 2",
    ),
    Case(
        "recency at noon",
        "recency = 'hot'",
        "select k from baskets where ts <= '2017-08-16 15:30' group by k "
        "having max(ts) > timestamp '2017-08-16 15:30' - interval 3 day",
    ),
    Case(
        "redeemed by local midnight",
        "count(redemptions, 36h) >= 1",
        "select distinct household_id from coupon_redemptions where redemption_date in ('2017-08-15', '2017-08-16')",
    ),
]  # fmt: skip
