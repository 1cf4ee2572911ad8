#!/bin/sh
# A Slurm cluster of this machine alone, without accounting: slurm.sh start FOLDER, slurm.sh stop FOLDER. Its
# configuration, state and logs lie in FOLDER. Clients find it by a link at the usual place: Snakemake's plugin takes
# SLURM_CONF away from its jobs.
set -eu
action=$1 folder=$2 configuration=/etc/slurm/slurm.conf
as_root=$([ "$(id -u)" = 0 ] || echo sudo)

start() {
    if [ -e $configuration ] && [ ! -L $configuration ]; then
        echo "error: $configuration is there: this machine belongs to a cluster" >&2
        exit 1
    fi
    # Asked, not looked for: a killed munged leaves its socket behind.
    munge --no-input >/dev/null 2>&1 || {
        $as_root install -d -o munge -g munge -m 755 /run/munge
        $as_root runuser -u munge -- /usr/sbin/munged
    }
    mkdir -p "$folder/control" "$folder/node"
    host=$(hostname -s)
    cat > "$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
StateSaveLocation=$folder/control
SlurmdSpoolDir=$folder/node
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=300
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(free --mebi | awk '/^Mem:/ {print $2}') State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=60 State=UP
CONF
    $as_root mkdir -p /etc/slurm
    $as_root ln -sf "$folder/slurm.conf" $configuration
    $as_root /usr/sbin/slurmctld
    $as_root /usr/sbin/slurmd
    for _ in $(seq 30); do
        timeout 5 sinfo --noheader --format=%T 2>/dev/null | grep -q idle && return
        sleep 1
    done
    tail "$folder"/*.log >&2
    exit 1
}

stop() {
    for daemon in slurmd slurmctld; do
        [ ! -f "$folder/$daemon.pid" ] || $as_root kill "$(cat "$folder/$daemon.pid")"
    done
    [ ! -L $configuration ] || $as_root rm $configuration
}

"$action"
