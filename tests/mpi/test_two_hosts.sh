#!/bin/bash
# SPDX-License-Identifier: BSL-1.0
# The tests of mpi::Pool on two hosts: network namespaces of this machine with names of their own,
# which reach each other over a pair of virtual Ethernet devices and by TCP alone. Needs root and
# the right to make namespaces; ends with 77 where that is not given.
#
# usage: test_two_hosts.sh MPIRUN PROGRAM [ARGUMENT...]
set -u
mpirun=$1
shift
id=$$
left=mp$id-a right=mp$id-b
work=$(mktemp -d)
tidy_up() {
    ip netns del "$left" 2>/dev/null
    ip netns del "$right" 2>/dev/null
    rm -rf "$work"
}
trap tidy_up EXIT

{
    ip netns add "$left" && ip netns add "$right" &&
        ip link add "v$id-a" netns "$left" type veth peer name "v$id-b" netns "$right" &&
        ip -n "$left" address add 10.77.0.1/24 dev "v$id-a" &&
        ip -n "$right" address add 10.77.0.2/24 dev "v$id-b" &&
        ip -n "$left" link set "v$id-a" up && ip -n "$right" link set "v$id-b" up &&
        ip -n "$left" link set lo up && ip -n "$right" link set lo up &&
        unshare --uts true
} 2>"$work/why" || { echo "no namespaces here: $(cat "$work/why")"; exit 77; }

# What mpirun takes for ssh: it is given the host and a command.
cat >"$work/agent" <<AGENT
#!/bin/bash
host=\$1
shift
case \$host in
10.77.0.2) exec ip netns exec $right unshare --uts bash -c 'hostname right; exec bash -c "\$1"' - "\$*" ;;
*) exit 1 ;;
esac
AGENT
chmod +x "$work/agent"

timeout -k 5 60 ip netns exec "$left" unshare --uts bash -c 'hostname left; exec "$@"' - \
    "$mpirun" --allow-run-as-root --oversubscribe --host 10.77.0.1:2,10.77.0.2:2 -n 4 --map-by node \
    --mca plm_rsh_agent "$work/agent" --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
    --mca oob_tcp_if_include 10.77.0.0/24 "$@" </dev/null
