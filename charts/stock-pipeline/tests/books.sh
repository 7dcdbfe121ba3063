stockpipe-auditor books --from "$(date -u -d yesterday +%F)"
