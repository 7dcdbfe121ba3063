-- A row replaces another of its key only if its version is strictly greater: loading twice changes nothing.
MERGE INTO REALTIME_STOCK_ANALYTICS t
USING BATCH_IN s
ON s.symbol = t.symbol AND s.window_start = t.window_start
WHEN MATCHED AND (
    s.transform_version > t.transform_version
    OR (s.transform_version = t.transform_version AND s.last_offset > t.last_offset)
    OR (
        s.transform_version = t.transform_version
        AND s.last_offset = t.last_offset
        AND s.record_count_1h > t.record_count_1h
    )
) THEN UPDATE SET
    window_end = s.window_end,
    open = s.open,
    high = s.high,
    low = s.low,
    close = s.close,
    vwap_15m = s.vwap_15m,
    ma_5m = s.ma_5m,
    ma_15m = s.ma_15m,
    ma_30m = s.ma_30m,
    ma_1h = s.ma_1h,
    volatility_15m = s.volatility_15m,
    volatility_1h = s.volatility_1h,
    volume_sum_15m = s.volume_sum_15m,
    volume_sum_1h = s.volume_sum_1h,
    record_count_15m = s.record_count_15m,
    record_count_1h = s.record_count_1h,
    last_event_time = s.last_event_time,
    first_offset = s.first_offset,
    last_offset = s.last_offset,
    kafka_partition = s.kafka_partition,
    batch_id = s.batch_id,
    transform_version = s.transform_version,
    processed_at = s.processed_at
WHEN NOT MATCHED THEN INSERT (
    symbol, window_start, window_end, open, high, low, close, vwap_15m, ma_5m, ma_15m, ma_30m, ma_1h,
    volatility_15m, volatility_1h, volume_sum_15m, volume_sum_1h, record_count_15m, record_count_1h,
    last_event_time, first_offset, last_offset, kafka_partition, batch_id, transform_version, processed_at
) VALUES (
    s.symbol, s.window_start, s.window_end, s.open, s.high, s.low, s.close, s.vwap_15m, s.ma_5m, s.ma_15m, s.ma_30m,
    s.ma_1h, s.volatility_15m, s.volatility_1h, s.volume_sum_15m, s.volume_sum_1h, s.record_count_15m,
    s.record_count_1h, s.last_event_time, s.first_offset, s.last_offset, s.kafka_partition, s.batch_id,
    s.transform_version, s.processed_at
);
