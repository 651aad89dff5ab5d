#!/bin/sh
# The first word names what runs; the rest is handed on. `exec` puts node in the place of this shell, so that signals reach it.
# Plain node and no npm: npm would stand between, and `npm start` wants to build.
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
  standalone | workflow-api | dispatcher | projector | sample-app) entry="dist/apps/$1/src/main.js" ;;
  views-rebuild) entry=dist/apps/projector/src/views-rebuild.js ;;
  archive-read) entry=dist/apps/projector/src/archive-read-main.js ;;
  *)
    echo "Give one of standalone, workflow-api, dispatcher, projector, sample-app, views-rebuild, archive-read; this was: ${1:-nothing}" >&2
    exit 64
    ;;
esac
shift
exec node --enable-source-maps "$entry" "$@"
