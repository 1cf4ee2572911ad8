#!/bin/sh
# Slurm cluster with one node, this machine, without accounting: slurm.sh start FOLDER, slurm.sh stop FOLDER. FOLDER holds
# configuration, state and logs. Clients find the configuration by a link at the usual place, because Snakemake's plugin
# removes SLURM_CONF from the environment of its jobs. The cluster belongs to the process that started it; after the end
# of that process, the next start removes the leftovers.
set -eu
action=$1 folder=$2 configuration=/etc/slurm/slurm.conf name=roma-test-cluster
as_root=$([ "$(id -u)" = 0 ] || echo sudo)

# Print the start time of a process, in clock ticks; nothing if it has ended or is a zombie.
moment() {
    set -- $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null || :)
    [ $# -lt 20 ] || [ "$1" = Z ] || { shift 19; echo "$1"; }
}

# Print the daemons and all processes of jobs. If the configuration is a link, no other cluster runs on this machine.
processes() {
    $as_root pidof /usr/sbin/slurmctld /usr/sbin/slurmd /usr/sbin/slurmstepd || :
    $as_root grep -lsz "^SLURM_CLUSTER_NAME=$name\$" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || :
}

# End processes: TERM, and after ten seconds KILL, which also ends stopped and hanging processes.
end() {
    for signal in TERM KILL; do
        for process in "$@"; do
            $as_root kill -"$signal" "$process" 2>/dev/null || :
        done
        for _ in $(seq 50); do
            living=
            for process in "$@"; do
                [ -z "$(moment "$process")" ] || living="$living $process"
            done
            [ -n "$living" ] || return 0
            sleep 0.2
        done
    done
    echo "error: these processes cannot be ended:$living" >&2
    exit 1
}

# End and remove the cluster in a folder, if it still exists.
clear() {
    end $(processes)
    if [ -e "$1/started-munged" ]; then
        end $($as_root pidof /usr/sbin/munged || :)
    fi
    $as_root rm -f $configuration
}

start() {
    if [ -L $configuration ]; then
        left=$(dirname "$(readlink $configuration)")
        read -r owner began 2>/dev/null < "$left/owner" || owner=0 began=dead
        if [ "$(moment "$owner")" = "$began" ]; then
            echo "error: process $owner is using the cluster in $left" >&2
            exit 1
        fi
        echo "removing the cluster that a killed process left in $left" >&2
        clear "$left"
    elif [ -e $configuration ]; then
        echo "error: $configuration is there: this machine belongs to a cluster" >&2
        exit 1
    fi
    mkdir -p "$folder/control" "$folder/node"
    echo "$PPID $(moment "$PPID")" > "$folder/owner"
    # Send a request instead of looking for the socket, because a killed munged leaves its socket behind.
    timeout 5 munge --no-input >/dev/null 2>&1 || {
        touch "$folder/started-munged"
        end $($as_root pidof /usr/sbin/munged || :)
        $as_root install -d -o munge -g munge -m 755 /run/munge
        $as_root runuser -u munge -- /usr/sbin/munged --force
    }
    host=$(hostname -s)
    cat > "$folder/slurm.conf" <<CONF
ClusterName=$name
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
    $as_root ln -s "$folder/slurm.conf" $configuration
    $as_root /usr/sbin/slurmctld
    $as_root /usr/sbin/slurmd
    for _ in $(seq 30); do
        timeout 5 sinfo --noheader --format=%T 2>/dev/null | grep -q idle && return
        sleep 1
    done
    tail "$folder"/*.log >&2
    exit 1
}

# Do nothing if the cluster on this machine is not that of the folder.
stop() {
    [ "$(readlink $configuration)" != "$folder/slurm.conf" ] || clear "$folder"
}

"$action"
