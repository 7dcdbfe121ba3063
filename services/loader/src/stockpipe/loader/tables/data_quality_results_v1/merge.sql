-- A batch that is tried again replaces what was found before. The loader writes its results in place of the one row below.
MERGE INTO DATA_QUALITY_RESULTS t
USING (
    SELECT
        CAST(:dataset AS VARCHAR) AS dataset,
        CAST(:batch_id AS VARCHAR) AS batch_id,
        c.check_name,
        c.severity,
        c."rows",
        c.status,
        CAST(:checked_at AS TIMESTAMP) AS checked_at
    FROM (VALUES ('name', 'warn', 0, 'passed')) c (check_name, severity, "rows", status)
) s
ON s.dataset = t.dataset AND s.batch_id = t.batch_id AND s.check_name = t.check_name
WHEN MATCHED AND (s.checked_at > t.checked_at) THEN UPDATE SET
    severity = s.severity,
    "rows" = s."rows",
    status = s.status,
    checked_at = s.checked_at
WHEN NOT MATCHED THEN INSERT (
    dataset, batch_id, check_name, severity, "rows", status, checked_at
) VALUES (
    s.dataset, s.batch_id, s.check_name, s.severity, s."rows", s.status, s.checked_at
);
