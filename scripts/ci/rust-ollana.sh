#!/usr/bin/env bash
# Builds the Rust ollana of others from its crate into CACHE, to speak with; does nothing when it is there and answers.
#   rust-ollana.sh CACHE        prints the path of the binary on its last line
# Needs Cargo and a C compiler; unoptimised, as it is only spoken with: that halves the build.
set -euo pipefail
version=0.6.3
dir=$1/rust-ollana
if ! "$dir/bin/ollana" --version >/dev/null 2>&1; then
  command -v cargo >/dev/null || { echo "rust-ollana.sh: no Cargo on the PATH; install Rust 1.85 or newer" >&2; exit 1; }
  # `nice`: the machine is small, and npm and the tests share it with this build.
  nice cargo install "ollana@$version" --locked --debug --quiet --root "$dir" >&2
  "$dir/bin/ollana" --version >/dev/null 2>&1
fi
echo "$dir/bin/ollana"
