#!/usr/bin/env bash
# Two hosts on one machine, with a wire between them that is as slow as asked: to see what training over several ranks pays for a network.
#
#     eng/two-hosts.sh up [--rate 10gbit] [--delay 0.1ms]     make them; a second `up` changes the wire
#     eng/two-hosts.sh run HOST COMMAND…                      run a command in one: a (10.77.0.1) or b (10.77.0.2)
#     eng/two-hosts.sh rsh HOST COMMAND…                      the same as ssh would, through a shell: what MPI's launchers take for ssh
#     eng/two-hosts.sh down                                   take them away
#
# A host is a network namespace (tessera-a, tessera-b) and a host name of its own: its loopback, and one end of the wire as the device `wire`.
# The rate is held by tc's tbf, in each direction for itself. The delay is one way (a ping takes two): tc's netem adds it where the kernel has it, and where it has
# not, a program of ours that the wire runs through (eng/wire-delay.c). Needs root, iproute2 and util-linux; for the program also a C compiler.
# docs/scaling.md has what was measured with it, and how Open MPI and MPICH start ranks on both hosts.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=/run/tessera-two-hosts
hosts=(a b)

say() { echo "two-hosts.sh: $*" >&2; }
die() { say "$@"; exit 1; }
usage() { sed -n '4,7s/^# *//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
space() { echo "tessera-$1"; }
address() { [ "$1" = a ] && echo 10.77.0.1 || echo 10.77.0.2; }
exists() { [ -e "/run/netns/$(space "$1")" ]; }
inside() { ip netns exec "$(space "$1")" "${@:2}"; }

needs() {
  [ "$(id -u)" = 0 ] || die "network namespaces need root."
  local tool
  for tool in ip tc nsenter unshare chrt; do
    command -v "$tool" > /dev/null || die "the command $tool is missing (Debian's packages iproute2 and util-linux have it)."
  done
}

# Whether the kernel knows a queueing discipline: asked of a device that is made for it, since a module may yet be loaded.
knows() {
  local known=0
  ip link add tessera-probe type veth peer name tessera-probe2 2> /dev/null || die "this kernel has no veth devices (CONFIG_VETH)."
  tc qdisc add dev tessera-probe root "$@" 2> /dev/null || known=1
  ip link del tessera-probe
  return $known
}

# Nanoseconds of 0.1ms, 50us, 1s.
nanoseconds() {
  [[ $1 =~ ^([0-9]*\.?[0-9]+)(ns|us|ms|s)$ ]] || { [ "$1" = 0 ] && echo 0 && return; die "--delay is a time such as 0.1ms or 50us, not '$1'."; }
  local -A unit=([ns]=1 [us]=1000 [ms]=1000000 [s]=1000000000)
  awk -v n="${BASH_REMATCH[1]}" -v u="${unit[${BASH_REMATCH[2]}]}" 'BEGIN { printf "%.0f\n", n * u }'
}

up() {
  local rate=10gbit delay=0.1ms
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
      --rate) rate=$2 ;;
      --delay) delay=$2 ;;
      *) usage ;;
    esac
    shift 2
  done
  [[ $rate =~ ^[0-9]+(\.[0-9]+)?(k|m|g)bit$ ]] || die "--rate is a rate such as 10gbit or 100mbit, not '$rate'."
  local ns us
  ns=$(nanoseconds "$delay")
  us=$(awk -v ns="$ns" 'BEGIN { printf "%.3fus", ns / 1000 }') # as tc writes times
  needs
  # Enough tokens for the largest packet that a device takes whole (64 KiB), and a queue as deep as a small switch's.
  local shaper=(tbf rate "$rate" burst 256kb latency 10ms)
  knows "${shaper[@]}" || die "this kernel cannot limit a rate: it lacks sch_tbf (CONFIG_NET_SCH_TBF)."
  down
  mkdir -p "$state"
  trap 'say "gave up, and took down what was begun."; down' EXIT

  local how
  if [ "$ns" = 0 ]; then how=none; elif knows netem delay "$us"; then how=netem; else how=program; fi
  for host in "${hosts[@]}"; do
    ip netns add "$(space "$host")"
    touch "$state/$host.uts"
    unshare --uts="$state/$host.uts" hostname "$(space "$host")"
    inside "$host" ip link set lo up
  done
  if [ "$how" = program ]; then
    say "this kernel lacks sch_netem (CONFIG_NET_SCH_NETEM): the delay is made by eng/wire-delay.c, which takes some of a core."
    program "$ns"
  else
    ip link add wire-a netns tessera-a type veth peer name wire-b netns tessera-b
  fi
  for host in "${hosts[@]}"; do
    inside "$host" ip link set "wire-$host" name wire # the same on both: launchers take one name of a device for all hosts
    inside "$host" ip address add "$(address "$host")/24" dev wire
    inside "$host" ip link set wire up
    local parent=(root)
    if [ "$how" = netem ]; then
      inside "$host" tc qdisc add dev wire root handle 1: netem delay "$us" limit 100000
      parent=(parent 1:)
    fi
    inside "$host" tc qdisc add dev wire "${parent[@]}" "${shaper[@]}"
    # `ip netns exec` lays this over /etc/hosts.
    mkdir -p "/etc/netns/$(space "$host")"
    printf '127.0.0.1 localhost\n10.77.0.1 tessera-a\n10.77.0.2 tessera-b\n' > "/etc/netns/$(space "$host")/hosts"
  done
  trap - EXIT
  say "up: tessera-a (10.77.0.1) and tessera-b (10.77.0.2), $rate each way, $delay one way ($how)."
}

# The wire is a pair of tap devices of one program, which is made, started, and its ends given to the hosts.
program() {
  command -v cc > /dev/null || die "a delay without sch_netem needs a C compiler (Debian's package gcc), or --delay 0."
  [ -e /dev/net/tun ] || die "a delay without sch_netem needs /dev/net/tun (CONFIG_TUN), or --delay 0."
  cc -O2 -Wall -Wextra -pthread -o "$state/wire-delay" "$root/wire-delay.c"
  # First in the queue for a core: a wire waits for no program that computes.
  setsid chrt --fifo 1 "$state/wire-delay" wire-a wire-b "$1" > "$state/wire-delay.log" 2>&1 < /dev/null &
  echo $! > "$state/wire-delay.pid"
  local tries
  for tries in $(seq 50); do
    ip link show wire-b > /dev/null 2>&1 && break
    kill -0 "$(cat "$state/wire-delay.pid")" 2> /dev/null || die "$(cat "$state/wire-delay.log")"
    [ "$tries" -lt 50 ] || die "eng/wire-delay.c made no devices in five seconds."
    sleep 0.1
  done
  for host in "${hosts[@]}"; do ip link set "wire-$host" netns "$(space "$host")"; done
}

down() {
  needs
  local host pids
  for host in "${hosts[@]}"; do
    exists "$host" || continue
    pids=$(ip netns pids "$(space "$host")" | tr '\n' ' ')
    [ -z "$pids" ] || die "processes still run on host $host: $pids- end them first."
  done
  if [ -e "$state/wire-delay.pid" ]; then
    kill "$(cat "$state/wire-delay.pid")" 2> /dev/null || true
    rm -f "$state/wire-delay.pid"
  fi
  for host in "${hosts[@]}"; do
    if exists "$host"; then ip netns del "$(space "$host")"; fi
    if [ -e "$state/$host.uts" ]; then
      umount "$state/$host.uts" 2> /dev/null || true
      rm -f "$state/$host.uts"
    fi
    rm -rf "/etc/netns/$(space "$host")"
  done
  rm -rf "$state"
  rmdir /etc/netns 2> /dev/null || true # others may have some
}

on() {
  local host=${1#tessera-}
  case $host in
    a | 10.77.0.1) host=a ;;
    b | 10.77.0.2) host=b ;;
    *) die "there is no host '$1': a (10.77.0.1) and b (10.77.0.2)." ;;
  esac
  exists "$host" || die "the hosts are not up: eng/two-hosts.sh up."
  shift
  exec ip netns exec "$(space "$host")" nsenter --uts="$state/$host.uts" -- "$@"
}

case ${1:-} in
  up) shift; up "$@" ;;
  down) down ;;
  run) [ $# -ge 3 ] || usage; shift; on "$@" ;;
  rsh)
    shift
    while [[ ${1:-} = -* ]]; do shift; done # hydra says ssh -x
    [ $# -ge 2 ] || usage
    host=$1
    shift
    on "$host" sh -c "$*"
    ;;
  *) usage ;;
esac
