#!/usr/bin/env bash
# Follows the first page of README to the letter where there is nothing but Node, npm, a shell, coreutils and curl, and prints
# how long each command takes:
#   bash scripts/first-page/run.sh                      the last commit, by npm
#   bash scripts/first-page/run.sh --executable FILE    the single executable, without Node (npm run release makes it)
# Two machines, attic and laptop, in namespaces of their own, joined by a cable; packages come from a cache that is filled
# before, as there is no registry in there. Needs Linux, `unshare`, `nsenter`, `ip`. Exit code: 1 when a command fails.
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
sim='{"port":11434,"models":[{"name":"llama3.2","tokensPerSecond":200}]}'
tools="sh env cat ls mkdir rm mv cp ln sleep uname head tail timeout dirname basename readlink sed curl"
now() { date +%s%N; }
since() { awk -v ns=$(($(now) - $1)) 'BEGIN { printf "%6.1f s", ns / 1e9 }'; }

# --- outside: what needs the network
if [ "${1-}" != --inside ]; then
  executable=
  [ "${1-}" = --executable ] && executable=$(readlink -f "${2:?--executable FILE}")
  work=$(mktemp -d) || exit 2
  trap 'rm -rf "$work"' EXIT
  if [ -z "$executable" ]; then
    git clone -q "$top" "$work/ollana" || exit 2
    mkdir "$work/warm" && cp "$top/package.json" "$top/package-lock.json" "$work/warm" && t=$(now)
    (cd "$work/warm" && npm_config_cache=$work/cache npm install --no-save --include=dev --ignore-scripts --no-audit --no-fund --loglevel=error) || exit 2
    echo "$(since "$t")  packages, from the registry into an empty cache (before all else)"
  fi
  [ -e "$top/dist-modules/simulate/ollama.js" ] || node "$top/scripts/build.mjs" || exit 2
  unshare -r -m -n -u -p -f --mount-proc --kill-child bash "$0" --inside "$work" "$executable"
  exit
fi

# --- inside: root of its own namespaces, without a network
work=$2 executable=$3 root=$2/root failed=0
mkdir -p "$root"/{usr/bin,usr/lib,dev,proc,tmp,etc,root,attic,laptop}
ln -s usr/bin "$root/bin"; ln -s usr/lib "$root/lib"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"; printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
for tool in $tools; do cp -L "$(command -v "$tool")" "$root/usr/bin/"; done
libraries=/usr/lib/$(uname -m)-linux-gnu
mkdir -p "$root$libraries" "$root/lib64"
mount --bind "$libraries" "$root$libraries" && mount --bind /lib64 "$root/lib64" && mount -t proc proc "$root/proc" || exit 2
for device in null zero random urandom; do : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device" || exit 2; done
if [ -n "$executable" ]; then
  cp "$executable" "$root/usr/bin/ollana"; mkdir -p "$root/root/ollana"
else
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  cp -L "$(command -v node)" "$root/usr/bin/node"; mkdir -p "$root/usr/lib/node_modules"; cp -r "$npm" "$root/usr/lib/node_modules/npm"
  for name in npm npx; do ln -s "../lib/node_modules/npm/bin/$name-cli.js" "$root/usr/bin/$name"; done
  mv "$work/ollana" "$root/root/ollana"; mv "$work/cache" "$root/cache"
fi

# A machine is a process that holds its network and its name.
holder() { unshare -n -u sh -c "hostname $1 && ip link set lo up && echo ready && exec sleep 3600" >"$work/$1" & eval "$1=$!"; until [ -s "$work/$1" ]; do sleep 0.05; done; }
holder attic; holder laptop
ip link add cable0 netns "$attic" type veth peer name cable1 netns "$laptop" || exit 2
nsenter -t "$attic" -n sh -c 'ip addr add 10.77.0.1/24 brd + dev cable0 && ip link set cable0 up'
nsenter -t "$laptop" -n sh -c 'ip addr add 10.77.0.2/24 brd + dev cable1 && ip link set cable1 up'

at() { # at MACHINE COMMAND: as a person there types it
  local pid=${!1}
  nsenter -t "$pid" -n -u chroot "$root" env -i HOME="/$1" PATH=/usr/bin TERM=dumb LANG=C.UTF-8 npm_config_cache=/cache npm_config_offline=true \
    sh -c "cd /root/ollana && $2"
}
show() { sed 's/^/            /' | cut -c1-150 | head -"$1"; }
report() { # report CODE ALLOWED STARTED MACHINE COMMAND
  local mark=ok; case " $2 " in *" $1 "*) ;; *) mark="FAILED with $1"; failed=1 ;; esac
  echo "$(since "$3")  $4\$ $5   $mark"
}
follow() { # follow MACHINE COMMAND [LIMIT] [CODES]: one of README's; with a limit it goes on for ever, and is ended then
  local command=$2 t code allowed=${4-0}
  grep -qF -- "$2" "$top/README.md" || { echo "README has no '$2' any more"; failed=1; return; }
  [ -n "$executable" ] && command=${command#npx }
  [ -n "${3-}" ] && { command="timeout $3 $command"; allowed="0 124"; }
  t=$(now); at "$1" "$command" >"$work/out" 2>&1; code=$?
  report "$code" "$allowed" "$t" "$1" "$command"; show 8 <"$work/out"
}
until_it_says() { # until_it_says MACHINE COMMAND WORDS STARTED WHAT: polls for a minute
  for _ in $(seq 300); do at "$1" "$2" 2>/dev/null | grep -q -- "$3" && { echo "$(since "$4")  $5   ok"; return; }; sleep 0.2; done
  echo "$(since "$4")  $5   FAILED: not within a minute"; failed=1
}

if [ -z "$executable" ]; then
  echo "== Try it, on a machine with Node $(node --version) and npm"
  t=$(now); at laptop 'exec npm start' >"$work/start" 2>&1 & start=$!
  until_it_says laptop 'curl -s -m 2 http://localhost:11435/api/tags' '"models":\[{' "$t" 'laptop$ npm start   (from nothing until models are there)'
  sleep 3; show 24 <"$work/start"
  t=$(now); pids=$(pgrep -f 'dist/cli.js demo|ollana demo' || true); [ -n "$pids" ] && kill -INT $pids; wait "$start"; report "$?" "0 130" "$t" laptop "npm start, ended by Ctrl-C"
  t=$(now); at laptop 'npm test -- wire.test' >"$work/out" 2>&1; report "$?" 0 "$t" laptop 'npm test -- wire.test   (of npm test; the whole takes minutes)'; tail -1 "$work/out" | show 1
fi
if [ -n "$executable" ]; then
  echo "== The single executable, $(stat -c %s "$executable" | awk '{ printf "%.0f MB", $1 / 1e6 }'), without Node"
  for time in 'the first time: unpacked into the cache' 'from then on'; do
    t=$(now); at laptop 'ollana --version' >"$work/out" 2>&1; report "$?" 0 "$t" laptop "ollana --version   ($time)"; show 1 <"$work/out"
  done
fi
echo "== Use it"
nsenter -t "$attic" -n node "$top/test/lan/_sim-main.mjs" "$sim" >"$work/sim" 2>&1 < <(sleep 3600) & # the Ollama there, simulated
until grep -q listening "$work/sim"; do sleep 0.1; done
follow attic 'npx ollana serve -d'
begun=$(now); t=$begun; follow laptop 'npx ollana -d'
until_it_says laptop 'curl -s http://localhost:11435/v1/models' llama3.2 "$t" 'laptop$ curl http://localhost:11435/v1/models   (from the start of -d until the model of attic is there)'
echo "            left out: \`ollama list\`, for there is no Ollama client in here"
follow laptop 'curl http://localhost:11435/v1/models'
# As it comes: `head` ends with the first line, which has the first token.
t=$(now); at laptop "curl -sN http://localhost:11435/api/generate -d '{\"model\":\"llama3.2\",\"prompt\":\"Hi\"}' | head -n 1" >"$work/out"
grep -q '"response":"[^"]' "$work/out"; report "$?" 0 "$t" laptop 'curl .../api/generate   (until the first token)'; show 1 <"$work/out"
echo "$(since "$begun")  from the start of \`ollana -d\` to tokens"
for command in status health discover models; do follow laptop "npx ollana $command"; done
follow laptop 'npx ollana logs --follow' 3
# 1: attic does not allow it, as README says, and the answer says how it would.
follow laptop 'npx ollana pull llama3.2 --on attic' '' '0 1'
grep -q -- '--allow manage' "$work/out" || { echo "the refusal does not say --allow manage"; failed=1; }
follow attic 'npx ollana device pair' 3
[ "$failed" = 0 ] && echo "README can be followed" || echo "README cannot be followed: see FAILED above"
exit "$failed"
