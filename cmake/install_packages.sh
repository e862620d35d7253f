#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# Installs the Debian packages that are missing, as root or through sudo; needs no network if none
# is, and leaves other distributions to their users.
#
# usage: install_packages.sh PACKAGE...
set -eu
command -v dpkg-query >/dev/null || exit 0

missing=()
for package in "$@"; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
    *" ok installed") ;;
    *) missing+=("$package") ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "Installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "This needs root, or sudo." >&2; exit 1; }
    as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends "${missing[@]}"
}
install >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
