-- A row replaces another of its key only if its version is strictly greater: loading twice changes nothing.
MERGE INTO DAILY_STOCK_METRICS t
USING BATCH_IN s
ON s.symbol = t.symbol AND s.date = t.date
WHEN MATCHED AND (
    s.transform_version > t.transform_version
    OR (s.transform_version = t.transform_version AND s.source_fetched_at > t.source_fetched_at)
) THEN UPDATE SET
    daily_open = s.daily_open,
    daily_high = s.daily_high,
    daily_low = s.daily_low,
    daily_close = s.daily_close,
    daily_volume = s.daily_volume,
    adj_close = s.adj_close,
    daily_change = s.daily_change,
    daily_change_pct = s.daily_change_pct,
    daily_return = s.daily_return,
    sma_5 = s.sma_5,
    sma_15 = s.sma_15,
    sma_30 = s.sma_30,
    volatility_5 = s.volatility_5,
    volatility_15 = s.volatility_15,
    volatility_30 = s.volatility_30,
    volume_sma_15 = s.volume_sma_15,
    volume_ratio = s.volume_ratio,
    volume_trend = s.volume_trend,
    is_final = s.is_final,
    source_fetched_at = s.source_fetched_at,
    batch_id = s.batch_id,
    transform_version = s.transform_version,
    processed_at = s.processed_at,
    exchange = s.exchange,
    split_factor = s.split_factor,
    actions_as_of = s.actions_as_of
WHEN NOT MATCHED THEN INSERT (
    symbol, date, daily_open, daily_high, daily_low, daily_close, daily_volume, adj_close, daily_change,
    daily_change_pct, daily_return, sma_5, sma_15, sma_30, volatility_5, volatility_15, volatility_30,
    volume_sma_15, volume_ratio, volume_trend, is_final, source_fetched_at, batch_id, transform_version,
    processed_at, exchange, split_factor, actions_as_of
) VALUES (
    s.symbol, s.date, s.daily_open, s.daily_high, s.daily_low, s.daily_close, s.daily_volume, s.adj_close,
    s.daily_change, s.daily_change_pct, s.daily_return, s.sma_5, s.sma_15, s.sma_30, s.volatility_5,
    s.volatility_15, s.volatility_30, s.volume_sma_15, s.volume_ratio, s.volume_trend, s.is_final,
    s.source_fetched_at, s.batch_id, s.transform_version, s.processed_at, s.exchange, s.split_factor,
    s.actions_as_of
);
