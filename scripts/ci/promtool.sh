#!/usr/bin/env bash
# Puts Prometheus' promtool into CACHE, out of Debian's package, without its service; does nothing when it is there.
#   promtool.sh CACHE        prints the folder of the binary on its last line
set -euo pipefail
dir=$1/promtool
if ! "$dir/usr/bin/promtool" --version >/dev/null 2>&1; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # As root, apt would download as a user that may not write here.
  (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root prometheus >&2)
  mkdir -p "$dir"
  dpkg -x "$work"/prometheus_*.deb "$dir"
  "$dir/usr/bin/promtool" --version >/dev/null 2>&1
fi
echo "$dir/usr/bin"
