-- Inserts nothing where the batch is recorded already: of two loaders at once, the second then stops.
MERGE INTO LOADED_BATCHES t
USING (
    SELECT
        CAST(:dataset AS VARCHAR) AS dataset,
        CAST(:batch_id AS VARCHAR) AS batch_id,
        CAST(:files AS BIGINT) AS files,
        CAST(:rows AS BIGINT) AS "rows",
        CAST(:inserted AS BIGINT) AS inserted,
        CAST(:updated AS BIGINT) AS updated,
        CAST(:stale AS BIGINT) AS stale,
        CAST(:loaded_at AS TIMESTAMP) AS loaded_at
) s
ON s.dataset = t.dataset AND s.batch_id = t.batch_id
WHEN NOT MATCHED THEN INSERT (
    dataset, batch_id, files, "rows", inserted, updated, stale, loaded_at
) VALUES (
    s.dataset, s.batch_id, s.files, s."rows", s.inserted, s.updated, s.stale, s.loaded_at
);
