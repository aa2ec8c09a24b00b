/* fleetprof-symbolizer --unwind FILE: the rows of a file's unwind table. */
#ifndef FLEETPROF_SYMBOLIZER_CLI_UNWIND_H
#define FLEETPROF_SYMBOLIZER_CLI_UNWIND_H

/* Prints the table of the file at path, with .debug_frame of the separate debug file (or NULL). Returns an exit status. */
int cli_unwind(const char *path, const char *debug_path);

#endif
