batch=$(cat /tmp/batch-id)
tries=0
until stockpipe-auditor trace --symbol IBM --date 2013-03-01 >/tmp/way 2>/tmp/error && grep -q "$batch" /tmp/way; do
  tries=$((tries + 1))
  if [ "$tries" -ge 30 ]; then
    cat /tmp/way /tmp/error
    echo "batch $batch did not reach the warehouse within $tries looks; see the loader's log" >&2
    exit 1
  fi
  sleep 4
done
cat /tmp/way
