/* `fleetprof report`. */
#ifndef FLEETPROF_CORE_REPORT_H
#define FLEETPROF_CORE_REPORT_H

/* argv[0] is "report". Returns the process's exit status. */
int report_main(int argc, char **argv);

#endif
