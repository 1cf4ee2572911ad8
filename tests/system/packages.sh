#!/bin/sh
# The Debian package that the tests in this folder need; nothing is done where it is there already.
set -eu
command -v pdffonts >/dev/null && exit 0
as_root=$([ "$(id -u)" = 0 ] || echo sudo)
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends poppler-utils >/dev/null
