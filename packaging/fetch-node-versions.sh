#!/usr/bin/env bash
# Brings the versions of Node that are supported, each with its headers, into dist/node-versions/MAJOR, from npm.
set -euo pipefail
cd "$(dirname "$0")/.."
# The newest of each major version when this was written; any of a major is as good for building.
versions=(20.20.2 22.23.3 24.21.0 26.10.0)
package=node-linux-$(node -p process.arch)
for version in "${versions[@]}"; do
  place=dist/node-versions/${version%%.*}
  [[ -f $place/$version ]] && continue
  rm -rf "$place"
  mkdir -p "$place"
  tarball=$(npm pack --silent --pack-destination "$place" "$package@$version")
  tar -xzf "$place/$tarball" -C "$place" --strip-components=1 package/bin/node package/include package/LICENSE
  rm "$place/$tarball"
  touch "$place/$version"
done
