#!/usr/bin/env bash
# Sees that what the tests need beside npm's packages is there; installs it where it may, or says what to install.
# The tests start what they need themselves, so nothing that is installed here is left running, nor starts with the machine.
set -euo pipefail

node -e 'const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 20 || (major === 20 && minor < 19)) { console.error(`Node 20.19 or later is needed; this is ${process.version}`); process.exit(1) }'

# Debian has nginx where only root looks, and Postgres where nobody does.
PATH="$PATH:/usr/sbin:/sbin"
has_postgres() {
  local found
  for found in $(command -v initdb) /usr/lib/postgresql/*/bin/initdb; do
    [ -x "$found" ] && return
  done
  return 1
}

packages=() formulas=()
needs() { # what is there, else the package of Debian and Ubuntu, and what Homebrew calls it
  "${@:3}" >/dev/null && return
  packages+=("$1") formulas+=("$2")
}
needs chromium '--cask chromium' command -v chromium
needs curl curl command -v curl
needs openssl openssl command -v openssl
needs redis-server redis command -v redis-server
needs postgresql 'postgresql@17 && brew link postgresql@17' has_postgres
needs nginx nginx command -v nginx

# Two nodes behind nginx are reached from two addresses of this computer; only Linux has all of 127.0.0.0/8 by itself.
if [ "$(uname)" = Darwin ] && ! ifconfig lo0 | grep -q 'inet 127\.0\.1\.1 '; then
  echo 'The tests on two nodes need a second loopback address: sudo ifconfig lo0 alias 127.0.1.1' >&2
  exit 1
fi
[ ${#packages[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need: ${packages[*]}. Install them," >&2
  echo "  on Debian and Ubuntu: sudo apt-get install ${packages[*]}" >&2
  for formula in "${formulas[@]}"; do echo "  on macOS: brew install $formula" >&2; done
  exit 1
fi

# While packages are installed: 101 forbids them to start services, and Postgres makes no cluster that nobody asked for.
undo=()
lay() {
  [ -e "$1" ] && return
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "${@:2}" >"$1"
  chmod +x "$1"
  undo+=("$1")
}
trap 'rm -f "${undo[@]}"' EXIT
lay /usr/sbin/policy-rc.d '#!/bin/sh' 'exit 101'
lay /etc/postgresql-common/createcluster.d/convene-tests.conf 'create_main_cluster = false'

echo "installing ${packages[*]} for the tests"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
if [ -d /run/systemd/system ]; then
  for service in redis-server postgresql nginx; do
    [[ " ${packages[*]} " == *" $service "* ]] && systemctl disable --quiet --now "$service" || true
  done
fi
