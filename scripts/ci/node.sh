#!/usr/bin/env bash
# Puts a Node of another version (24, 20.18, ...) into CACHE, from the npm registry; does nothing when it is there.
#   node.sh CACHE VERSION        prints the path of the binary on its last line
set -euo pipefail
dir=$1/node-$2
if ! "$dir/bin/node" --version >/dev/null 2>&1; then
  case $(uname -m) in
    x86_64) cpu=x64 ;;
    aarch64) cpu=arm64 ;;
    *) echo "node.sh: no Node package for $(uname -m)" >&2; exit 1 ;;
  esac
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  npm pack --silent --pack-destination "$work" "node-linux-$cpu@$2" >&2
  mkdir -p "$dir/bin"
  tar -xzf "$work"/*.tgz -C "$dir/bin" --strip-components=2 package/bin/node
  "$dir/bin/node" --version >/dev/null
fi
echo "$dir/bin/node"
