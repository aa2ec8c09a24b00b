/* The files that the command line opens: where debuggers look for what belongs to a program. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_CLI_FILES_H
#define FLEETPROF_SYMBOLIZER_CLI_FILES_H

#include "symbolizer/symbolizer.h"

/* A descriptor, or -errno: -EINVAL for what is no regular file, and might never let itself be read to an end. */
int cli_open_regular(const char *path);

/* Gives the file at path its separate debug file, if it has no debug information of its own. Its descriptor, or -1. */
int cli_give_debug_file(struct symbolizer_file *file, const char *path);

/*
 * Gives it what the last answers wanted; debug_fd: of its debug file, or -1. package: was it given a package of split units?
 * Returns whether there was anything.
 */
bool cli_give_wanted(struct symbolizer_file *file, const char *path, int debug_fd, bool *package);

#endif
