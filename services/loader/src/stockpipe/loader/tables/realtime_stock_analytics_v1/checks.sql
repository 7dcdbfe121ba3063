-- Each statement counts the rows of BATCH_IN that break its sentence: `fail` keeps the batch out, `warn` is counted.
-- One of `fail` begins with SELECT COUNT(*) FROM, which the program replaces to name some of the rows.
-- Row count and required columns are checked for every table by the program. A double is held below 1e12 as well as
-- above 0 because NaN and infinity are greater than every number.

-- fail: unique_key: symbol and window_start are those of one row only
SELECT COUNT(*) FROM (
    SELECT symbol, window_start, ROW_NUMBER() OVER (PARTITION BY symbol, window_start ORDER BY processed_at) AS copy
    FROM BATCH_IN
) d
WHERE d.copy > 1;

-- fail: prices: prices and their means are above 0 and finite
SELECT COUNT(*) FROM BATCH_IN
WHERE NOT (open > 0 AND open <= 1e12)
    OR NOT (high > 0 AND high <= 1e12)
    OR NOT (low > 0 AND low <= 1e12)
    OR NOT (close > 0 AND close <= 1e12)
    OR NOT (vwap_15m > 0 AND vwap_15m <= 1e12)
    OR NOT (ma_5m > 0 AND ma_5m <= 1e12)
    OR NOT (ma_15m > 0 AND ma_15m <= 1e12)
    OR NOT (ma_30m > 0 AND ma_30m <= 1e12)
    OR NOT (ma_1h > 0 AND ma_1h <= 1e12);

-- fail: price_order: open and close lie between low and high
SELECT COUNT(*) FROM BATCH_IN WHERE low > open OR low > close OR open > high OR close > high;

-- fail: deviations: deviations are 0 or more and finite
SELECT COUNT(*) FROM BATCH_IN
WHERE NOT (volatility_15m >= 0 AND volatility_15m <= 1e12)
    OR NOT (volatility_1h >= 0 AND volatility_1h <= 1e12);

-- fail: volumes: volumes are 0 or more, and the hour's no less than the quarter's
SELECT COUNT(*) FROM BATCH_IN WHERE volume_sum_15m < 0 OR volume_sum_1h < volume_sum_15m;

-- fail: counts: at least one quote, and the hour's no fewer than the quarter's
SELECT COUNT(*) FROM BATCH_IN WHERE record_count_15m < 1 OR record_count_1h < record_count_15m;

-- fail: offsets: the lowest offset is 0 or more and not above the highest
SELECT COUNT(*) FROM BATCH_IN WHERE first_offset < 0 OR first_offset > last_offset;

-- fail: window_length: a window lasts 15 minutes
SELECT COUNT(*) FROM BATCH_IN WHERE window_end <> window_start + INTERVAL '15 minutes';

-- fail: last_event: the newest quote lies in its window
SELECT COUNT(*) FROM BATCH_IN WHERE last_event_time < window_start OR last_event_time >= window_end;

-- fail: no_future: no window begins, and no time lies, over a minute ahead
SELECT COUNT(*) FROM BATCH_IN
WHERE window_start > CAST(:loaded_at AS TIMESTAMP) + INTERVAL '1 minute'
    OR last_event_time > CAST(:loaded_at AS TIMESTAMP) + INTERVAL '1 minute'
    OR processed_at > CAST(:loaded_at AS TIMESTAMP) + INTERVAL '1 minute';

-- warn: deviation_known: from 2 quotes on the window has a deviation
SELECT COUNT(*) FROM BATCH_IN WHERE record_count_15m >= 2 AND volatility_15m IS NULL;

-- warn: price_jump: prices of a window differ by at most 20 percent
SELECT COUNT(*) FROM BATCH_IN WHERE high > 1.2 * low;

-- warn: quote_gap: a symbol's quotes of a day have no hole of over 2 hours, the longest lunch of an exchange
SELECT COUNT(*) FROM (
    SELECT
        window_start,
        LAG(window_end) OVER (PARTITION BY symbol, CAST(window_start AS DATE) ORDER BY window_start) AS earlier_end
    FROM BATCH_IN
) g
WHERE g.window_start > g.earlier_end + INTERVAL '2 hours';

-- warn: volume_anomaly: a window of 10 or more quotes has trades
SELECT COUNT(*) FROM BATCH_IN WHERE record_count_15m >= 10 AND volume_sum_15m = 0;

-- warn: fresh: the newest quote is at most an hour old
SELECT CASE WHEN MAX(last_event_time) < CAST(:loaded_at AS TIMESTAMP) - INTERVAL '1 hour' THEN COUNT(*) ELSE 0 END
FROM BATCH_IN;
