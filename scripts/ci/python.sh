#!/usr/bin/env bash
# Puts Ollama's Python client and what it needs into CACHE; does nothing when it is there and loads.
#   python.sh CACHE        prints the folder for PYTHONPATH on its last line
set -euo pipefail
package=ollama==0.6.3
# Its dependencies hold compiled code, so each Python version has a folder of its own.
dir=$1/python-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-${package//=/}
if ! PYTHONPATH=$dir python3 -c 'import ollama' >/dev/null 2>&1; then
  rm -rf "$dir"
  # --target: no venv is needed, which Debian packs apart, and a Python managed by Debian does not refuse.
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$dir.part" "$package" >&2
  mv "$dir.part" "$dir"
  PYTHONPATH=$dir python3 -c 'import ollama'
fi
echo "$dir"
