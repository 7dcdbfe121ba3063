-- Each statement counts the rows of BATCH_IN that break its sentence: `fail` keeps the batch out, `warn` is counted.
-- One of `fail` begins with SELECT COUNT(*) FROM, which the program replaces to name some of the rows.
-- Row count and required columns are checked for every table by the program. A double is held below 1e12 as well as
-- above 0 because NaN and infinity are greater than every number.

-- fail: unique_key: symbol and date are those of one row only
SELECT COUNT(*) FROM (
    SELECT symbol, date, ROW_NUMBER() OVER (PARTITION BY symbol, date ORDER BY processed_at) AS copy FROM BATCH_IN
) d
WHERE d.copy > 1;

-- fail: prices: prices and their means are above 0 and finite
SELECT COUNT(*) FROM BATCH_IN
WHERE NOT (daily_open > 0 AND daily_open <= 1e12)
    OR NOT (daily_high > 0 AND daily_high <= 1e12)
    OR NOT (daily_low > 0 AND daily_low <= 1e12)
    OR NOT (daily_close > 0 AND daily_close <= 1e12)
    OR NOT (adj_close > 0 AND adj_close <= 1e12)
    OR NOT (split_factor > 0 AND split_factor <= 1e12)
    OR NOT (sma_5 > 0 AND sma_5 <= 1e12)
    OR NOT (sma_15 > 0 AND sma_15 <= 1e12)
    OR NOT (sma_30 > 0 AND sma_30 <= 1e12);

-- fail: price_order: open and close lie between low and high
SELECT COUNT(*) FROM BATCH_IN
WHERE daily_low > daily_open OR daily_low > daily_close OR daily_open > daily_high OR daily_close > daily_high;

-- fail: deviations: deviations are 0 or more and finite
SELECT COUNT(*) FROM BATCH_IN
WHERE NOT (volatility_5 >= 0 AND volatility_5 <= 1e12)
    OR NOT (volatility_15 >= 0 AND volatility_15 <= 1e12)
    OR NOT (volatility_30 >= 0 AND volatility_30 <= 1e12);

-- fail: volumes: volumes are 0 or more
SELECT COUNT(*) FROM BATCH_IN WHERE daily_volume < 0 OR volume_sma_15 < 0 OR volume_ratio < 0;

-- fail: volume_trend: volume_trend is rising, falling or flat
SELECT COUNT(*) FROM BATCH_IN WHERE volume_trend NOT IN ('rising', 'falling', 'flat');

-- fail: no_future: no session is after tomorrow in UTC, where some exchanges are already, no time over a minute ahead
SELECT COUNT(*) FROM BATCH_IN
WHERE date > CAST(CAST(:loaded_at AS TIMESTAMP) AS DATE) + 1
    OR source_fetched_at > CAST(:loaded_at AS TIMESTAMP) + INTERVAL '1 minute'
    OR processed_at > CAST(:loaded_at AS TIMESTAMP) + INTERVAL '1 minute';

-- warn: adjusted: an adjusted close is there
SELECT COUNT(*) FROM BATCH_IN WHERE adj_close IS NULL;

-- warn: actions_named: a split factor other than 1 has the ex-date of its action
SELECT COUNT(*) FROM BATCH_IN WHERE split_factor <> 1 AND actions_as_of IS NULL;

-- warn: unexplained_jump: no session moves the close, in shares of today, and the adjusted close by over 40 percent
SELECT COUNT(*) FROM BATCH_IN WHERE ABS(daily_change_pct) > 40 AND ABS(daily_return) > 0.4;

-- warn: restated: a final close is within 0.5 percent of the one there, but for a factor of all the symbol's rows
SELECT COUNT(*) FROM (
    SELECT r.ratio, MEDIAN(r.ratio) OVER (PARTITION BY r.symbol) AS factor
    FROM (
        SELECT b.symbol, b.daily_close / t.daily_close AS ratio
        FROM BATCH_IN b
        JOIN DAILY_STOCK_METRICS t ON t.symbol = b.symbol AND t.date = b.date
        WHERE b.is_final AND t.is_final AND b.daily_close > 0
    ) r
) d
WHERE ABS(d.ratio / d.factor - 1) > 0.005;

-- warn: sessions: each session of the exchange between a symbol's first and last row has a row; the calendar counts
SELECT CAST(:missing_sessions AS BIGINT);

-- warn: volume_anomaly: a session has trades, and at most 10 times the mean of 15 sessions
SELECT COUNT(*) FROM BATCH_IN WHERE daily_volume = 0 OR volume_ratio > 10;

-- warn: fresh: the newest session is at most 7 days old
SELECT CASE WHEN MAX(date) < CAST(CAST(:loaded_at AS TIMESTAMP) AS DATE) - 7 THEN COUNT(*) ELSE 0 END FROM BATCH_IN;
