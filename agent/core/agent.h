/* `fleetprof agent`: the daemon. */
#ifndef FLEETPROF_CORE_AGENT_H
#define FLEETPROF_CORE_AGENT_H

/* argv[0] is "agent". Returns the exit status. */
int agent_main(int argc, char **argv);

#endif
