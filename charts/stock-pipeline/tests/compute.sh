python -m stockpipe.spark.jobs.spark_batch_processor --from 2013-03-01 --to 2013-03-01 --batch-id "$(cat /tmp/batch-id)"
