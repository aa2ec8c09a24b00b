/* Output files that appear whole or not at all. */
#ifndef FLEETPROF_CORE_OUTPUT_FILE_H
#define FLEETPROF_CORE_OUTPUT_FILE_H

#include "agent/base/err.h"

/* Can a file of this name be made there? Makes one without a name and throws it away. */
int output_file_check(const char *path, struct err *err);

/*
 * Writes data_fd's contents (from its beginning) to path: into a file without a name, which gets its name when
 * all bytes are on it, so that neither a reader nor a crash ever sees half of it.
 */
int output_file_write(const char *path, int data_fd);

/*
 * As above; when that fails the bytes go to the first of the temporary directories that takes them. Returns 0, or why it
 * is not at path, and then ret_path (PATH_MAX bytes) says where it is, "" for nowhere.
 */
int output_file_write_or_elsewhere(const char *path, int data_fd, char *ret_path);

#endif
