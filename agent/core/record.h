/* `fleetprof record`: one recording, from the first interrupt to the files. */
#ifndef FLEETPROF_CORE_RECORD_H
#define FLEETPROF_CORE_RECORD_H

/* argv[0] is "record". Returns the process's exit status. */
int record_main(int argc, char **argv);

#endif
