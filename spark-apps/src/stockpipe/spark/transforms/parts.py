"""Parts: what must be known of a set of rows so that it can be merged with that of another set.

A part is a group of columns. `last_15_price_mean` is the field `price_mean` of the part of the last 15 positions
(minutes or sessions). All fields of an empty part are null.

Deviations come from count, mean and M2, the sum of squared distances from the mean. Merging is formula (2.1) of
T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
Stanford University, STAN-CS-79-773 (1979): with n = n_a + n_b and delta = mean_b - mean_a,

    mean = mean_a + delta * n_b / n        M2 = M2_a + M2_b + delta^2 * n_a * n_b / n

It keeps the digits that sums of squares lose, of prices near 1e6 that differ by cents for example.
"""

from collections.abc import Callable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

Part = dict[str, Column]
Merge = Callable[[Part, Part], Part]
Before = Callable[[Column, int], Column]

_SUMS = ((2, 1, 1), (4, 2, 2), (5, 4, 1), (10, 5, 5), (15, 10, 5), (30, 15, 15), (60, 30, 30))
"""The last `length` positions are the last `later` and, before these, `earlier` more."""

_EARLIER = "earlier"


def field_column(length: int, field: str) -> str:
    """Return the name of the column that holds a field of the part of the last `length` positions."""
    return f"last_{length}_{field}"


def columns_of(length: int, part: Part) -> Part:
    """Return the part's columns under the names they have in a DataFrame."""
    return {field_column(length, field): column for field, column in part.items()}


def part(length: int, fields: Sequence[str]) -> Part:
    """Return the part of the last `length` positions of a DataFrame that holds it."""
    return {field: sf.col(field_column(length, field)) for field in fields}


def roll(rows: DataFrame, fields: Sequence[str], lengths: Sequence[int], before: Before, merge: Merge) -> DataFrame:
    """Add the parts of the last n positions, for each n of `lengths`, to rows that hold the part of one.

    The last 60 are the last 30 and the 30 before them, the last 30 are the last 15 and the 15 before: seven merges
    instead of 59. It also works for fields that nothing can be taken out of again, such as a minimum.

    Args:
        rows: one row a position, with the part of length 1.
        fields: the fields of a part.
        lengths: of 2, 4, 5, 10, 15, 30, 60; shorter ones are added besides.
        before: the value of a column so many positions earlier, null where there is no row.
        merge: makes one part of an earlier and a later one.
    """
    for length, later, earlier in _SUMS:
        if length <= max(lengths):
            whole = sf.struct(*(column.alias(field) for field, column in part(earlier, fields).items()))
            merged = merge({field: sf.col(_EARLIER)[field] for field in fields}, part(later, fields))
            rows = rows.withColumn(_EARLIER, before(whole, later)).withColumns(columns_of(length, merged))
    return rows.drop(_EARLIER)


def add(a: Column, b: Column) -> Column:
    """Return a + b, where null stands for nothing."""
    return sf.coalesce(a + b, a, b)


def first_of(a: Column, b: Column) -> Column:
    """Return a, or b where a is null."""
    return sf.coalesce(a, b)


def moments_of(name: str, value: Column) -> Part:
    """Return the fields `<name>_count`, `<name>_mean` and `<name>_m2` of a group's non-null values; aggregates."""
    return {
        f"{name}_count": sf.nullif(sf.count(value), sf.lit(0)),
        f"{name}_mean": sf.avg(value),
        f"{name}_m2": sf.var_pop(value) * sf.count(value),
    }


def moments_of_one(name: str, value: Column) -> Part:
    """Return the same fields of a single value; null is no value."""
    return {
        f"{name}_count": sf.when(value.isNotNull(), sf.lit(1).cast("bigint")),
        f"{name}_mean": value,
        f"{name}_m2": sf.when(value.isNotNull(), 0.0),
    }


def merge_moments(name: str, a: Part, b: Part) -> Part:
    """Return the moments of two sets that have no value in common."""
    count, mean, m2 = f"{name}_count", f"{name}_mean", f"{name}_m2"
    together = a[count] + b[count]
    delta = b[mean] - a[mean]
    return {
        count: add(a[count], b[count]),
        mean: sf.coalesce(a[mean] + delta * b[count] / together, a[mean], b[mean]),
        m2: sf.coalesce(a[m2] + b[m2] + delta * delta * a[count] * b[count] / together, a[m2], b[m2]),
    }


def sample_deviation(name: str, moments: Part) -> Column:
    """Return the sample standard deviation, null below two values."""
    return sf.sqrt(sf.try_divide(moments[f"{name}_m2"], moments[f"{name}_count"] - 1))
