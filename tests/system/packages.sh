#!/bin/sh
# Debian packages of the tests in this folder; nothing is done where their commands are there already.
set -eu
command -v pdffonts >/dev/null && command -v pdftoppm >/dev/null && exit 0
as_root=$([ "$(id -u)" = 0 ] || echo sudo)
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends poppler-utils >/dev/null
