#!/usr/bin/env bash
# Runs the tests of the Python fork server with every CPython from 3.9 to 3.14 that is found: in PATH, with pyenv, or
# named in FORKBUS_PYTHONS. One line says which are missing; with CI=true finding none at all is a failure.
set -uo pipefail
cd "$(dirname "$0")"
shopt -s nullglob
export PYTHONDONTWRITEBYTECODE=1
missing=() failed=() passed=()

find_python() {
  local candidate
  for candidate in ${FORKBUS_PYTHONS:-} "$HOME/.pyenv/versions/$1".*/bin/python3 "python$1"; do
    if [[ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null)" == "$1" ]]; then
      echo "$candidate"
      return
    fi
  done
}

for version in 3.9 3.10 3.11 3.12 3.13 3.14; do
  python=$(find_python "$version")
  if [[ -z "$python" ]]; then
    missing+=("$version")
    continue
  fi
  echo "== $("$python" --version), $python"
  if "$python" run.py; then passed+=("$version"); else failed+=("$version"); fi
done
echo "passed: ${passed[*]:-none}; failed: ${failed[*]:-none}; not on this machine: ${missing[*]:-none}"
[[ ${#failed[@]} == 0 && (${#passed[@]} -gt 0 || "${CI:-}" != true) ]]
