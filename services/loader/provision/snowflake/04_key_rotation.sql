-- Changes the loader's key without a moment in which none works; the same for the reader. Run it step by step.
USE ROLE SECURITYADMIN;

-- 1. Both keys work from here on. DESC USER STOCKPIPE_LOADER_SVC shows RSA_PUBLIC_KEY_2_FP: compare it with the
--    fingerprint of the new file; see README.md.
ALTER USER STOCKPIPE_LOADER_SVC SET RSA_PUBLIC_KEY_2 = '<NEW_PUBLIC_KEY>';

-- 2. Give the programs the new file as SNOWFLAKE_PRIVATE_KEY_FILE, restart them, and see it work:
--    stockpipe-loader check-connection

-- 3. The old key stops working, and the second place is free for the next rotation.
ALTER USER STOCKPIPE_LOADER_SVC SET RSA_PUBLIC_KEY = '<NEW_PUBLIC_KEY>';
ALTER USER STOCKPIPE_LOADER_SVC UNSET RSA_PUBLIC_KEY_2;
