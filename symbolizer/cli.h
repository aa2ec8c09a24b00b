/* fleetprof-symbolizer as a command: names the addresses of a file. */
#ifndef FLEETPROF_SYMBOLIZER_CLI_H
#define FLEETPROF_SYMBOLIZER_CLI_H

int cli_main(int argc, char **argv);

#endif
