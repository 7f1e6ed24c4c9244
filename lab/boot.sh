#!/bin/sh
# Boots a root filesystem with its own systemd as process 1, as a machine of its own: processes, mounts, name and control
# groups; its network is the one that this is called in. It ends when that machine is switched off.
# Usage, as root: lab/boot.sh ROOT GROUP
set -eu
root=$1 group=$2 stage=${3-}

hierarchies() { awk '$3 ~ /^cgroup2?$/ && $2 ~ /^\/sys\/fs\/cgroup/ { print $2, $3 }' /proc/self/mounts; }

if [ -z "$stage" ]; then
    # First the groups: what it sees as the root of each hierarchy is where we stand when it is unshared.
    hierarchies | while read -r at kind; do
        mkdir -p "$at/$group"
        for file in cpuset.cpus cpuset.mems; do
            # cgroup v1 takes no process into a group without them.
            if [ "$kind" = cgroup ] && [ -e "$at/$file" ]; then cat "$at/$file" >"$at/$group/$file"; fi
        done
        echo $$ >"$at/$group/cgroup.procs"
    done
    exec unshare --pid --mount --uts --ipc --cgroup --fork --kill-child -- /bin/sh "$0" "$root" "$group" inside
fi

mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
# What the machine sets is its own business only in the network; the rest is this kernel's.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
mount -o remount,bind,ro "$root/proc/sys"
if [ -e "$root/proc/sysrq-trigger" ]; then
    mount --bind "$root/proc/sysrq-trigger" "$root/proc/sysrq-trigger"
    mount -o remount,bind,ro "$root/proc/sysrq-trigger"
fi
mount -t sysfs -o ro sysfs "$root/sys"
hierarchies | while read -r at kind; do
    name=${at#/sys/fs/cgroup} name=${name#/}
    if [ -n "$name" ] && ! mountpoint -q "$root/sys/fs/cgroup"; then
        mount -t tmpfs -o mode=755 cgroup "$root/sys/fs/cgroup"
    fi
    mkdir -p "$root$at"
    case $kind:$name in
        cgroup2:*) mount -t cgroup2 cgroup2 "$root$at" ;;
        cgroup:systemd) mount -t cgroup -o none,name=systemd cgroup "$root$at" ;;
        *) mount -t cgroup -o "$name" cgroup "$root$at" ;;
    esac
done
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t tmpfs -o mode=755 run "$root/run"
mkdir -p "$root/.before"
cd "$root"
pivot_root . .before
umount -l /.before
# As on a booted machine: what is mounted later is seen by services, and by containers.
mount --make-rshared /
hostname "$(cat /etc/hostname)"
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /sbin/init </dev/null >/dev/null 2>&1
