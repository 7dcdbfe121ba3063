-- The virtual warehouse, small and off when idle, and the limit of what it may cost in a month.
USE ROLE ACCOUNTADMIN; -- only this role makes resource monitors

CREATE RESOURCE MONITOR IF NOT EXISTS STOCKPIPE_MONITOR WITH
    CREDIT_QUOTA = 30
    FREQUENCY = MONTHLY
    START_TIMESTAMP = IMMEDIATELY
    TRIGGERS
        ON 75 PERCENT DO NOTIFY
        ON 100 PERCENT DO SUSPEND
        ON 110 PERCENT DO SUSPEND_IMMEDIATE;

-- A watching loader wakes it once per poll that finds a batch: 60 s is the least that is billed anyway.
CREATE WAREHOUSE IF NOT EXISTS STOCKPIPE_WH WITH
    WAREHOUSE_SIZE = XSMALL
    AUTO_SUSPEND = 60
    AUTO_RESUME = TRUE
    INITIALLY_SUSPENDED = TRUE
    STATEMENT_TIMEOUT_IN_SECONDS = 600
    STATEMENT_QUEUED_TIMEOUT_IN_SECONDS = 120
    COMMENT = 'stockpipe: loader and readers';

ALTER WAREHOUSE STOCKPIPE_WH SET RESOURCE_MONITOR = STOCKPIPE_MONITOR;
