#!/bin/sh
# Install the Debian packages that the tests in this folder need, unless they are installed already.
set -eu
command -v pdffonts >/dev/null && command -v chromium >/dev/null && command -v munge >/dev/null &&
    [ -x /usr/sbin/slurmctld ] && exit 0
as_root=$([ "$(id -u)" = 0 ] || echo sudo)
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends \
    poppler-utils chromium fonts-dejavu-core munge slurm-wlm slurm-wlm-basic-plugins >/dev/null
