#!/bin/sh
# The agent beside two Docker containers: windows in the store, each container's own, with all sums right.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/containers.sh"
need_root
need gcc
need busybox
need dockerd
need docker
need python3

build_root alpha_loop beta_loop
start_docker
in_docker fp-one /spin-alpha_loop
in_docker fp-two /spin-beta_loop
python3 "$tree/tests/e2e/agent_containers.py" fp-one alpha_loop fp-two beta_loop || exit $?
