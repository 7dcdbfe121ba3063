date -u +%Y%m%dT%H%M%SZ-helm-test >/tmp/batch-id
stockpipe-producer batch --sources sample --symbols IBM --from 2013-03-01 --to 2013-03-01 --batch-id "$(cat /tmp/batch-id)"
