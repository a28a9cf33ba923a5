#!/usr/bin/env bash
# Makes dist/python ready for tests and demo where that is possible: always succeeds. Where it is not possible the one
# line that says why is in dist/python/unavailable.
set -uo pipefail
cd "$(dirname "$0")/../.."
mkdir -p dist/python
rm -f dist/python/unavailable

unavailable() {
  echo "$1" > dist/python/unavailable
  exit 0
}

python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2> /dev/null ||
  unavailable "it needs python3, at least 3.10, with venv"
"${MAKE:-make}" --silent python > dist/python/build.log 2>&1 && exit 0
grep -qE "No matching distribution|Could not find a version|Connection|Temporary failure|Max retries" dist/python/build.log &&
  unavailable "no package index could be reached for grpcio: see dist/python/build.log"
unavailable "its wheel could not be built: see dist/python/build.log"
