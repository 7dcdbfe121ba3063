#!/bin/sh
# Main process of the images' dev stage: runs a program, and anew after SIGHUP, which skaffold sends when it has synced code.
running=true
trap 'running=false; kill "$child"' TERM INT
trap 'kill "$child"' HUP
while $running; do
    "$@" &
    child=$!
    # a trapped signal ends `wait` before the child has ended
    while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
    if $running; then sleep 1; fi # code that fails at once must not keep a core busy
done
exit "$status"
