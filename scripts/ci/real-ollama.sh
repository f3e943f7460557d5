#!/usr/bin/env bash
# Builds the real Ollama, CPU only, from its Go module into CACHE; does nothing when it is there and answers.
#   real-ollama.sh CACHE        prints the path of the binary on its last line
# Needs Go, a C++ compiler, and Debian's nlohmann-json3-dev and libstb-dev (headers that the Go module leaves out).
set -euo pipefail
version=v0.17.4
here=$(cd "$(dirname "$0")" && pwd)
dir=$1/ollama-$version
if ! "$dir/ollama" -v >/dev/null 2>&1; then
  command -v go >/dev/null || { echo "real-ollama.sh: no Go toolchain on the PATH; install Go 1.24 or newer" >&2; exit 1; }
  mkdir -p "$dir"
  # `nice`: the machine is small, and npm and the tests share it with this build.
  GOBIN=$dir GOFLAGS=-mod=mod CGO_CPPFLAGS="-I$here/include" nice go install \
    -ldflags "-X=github.com/ollama/ollama/version.Version=${version#v}" "github.com/ollama/ollama@$version" >&2
  "$dir/ollama" -v >/dev/null 2>&1
fi
echo "$dir/ollama"
