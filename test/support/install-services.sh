#!/usr/bin/env bash
# Sees that what the tests need beside npm's packages is there; installs it where it may, or says what to install.
set -euo pipefail

node -e 'const [major, minor] = process.versions.node.split(".").map(Number)
if (major < 20 || (major === 20 && minor < 19)) { console.error(`Node 20.19 or later is needed; this is ${process.version}`); process.exit(1) }'

missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v curl >/dev/null || missing+=(curl)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]} for the tests"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "The tests need: ${missing[*]}. Install them, on Debian and Ubuntu with: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
