/* The opener's one real act: open the file of a request, or say why not. */
#ifndef FLEETPROF_OPENER_WORKER_H
#define FLEETPROF_OPENER_WORKER_H

#include "proto/openwire.h"

/*
 * A descriptor of a regular file, O_RDONLY | O_CLOEXEC, or a negative errno. May block for as long as the file
 * system likes. proc_fd: /proc; below_fd: of those with a folder, -1 otherwise.
 */
int opener_open(int proc_fd, int below_fd, const struct openwire_request *request);

/* The folder of OPENWIRE_MAP_PLACE, O_PATH, or a negative errno; fills in the answer's pid and uid. */
int opener_map_place(int proc_fd, const struct openwire_request *request,
		     struct openwire_answer *ret);

/* The root folder of the process of a mapping, O_PATH; -1 when it cannot be had. */
int opener_root(int proc_fd, const struct openwire_request *request);

/* The path below the root of process tgid, O_PATH, whatever it is; for the rest of the opener. resolve: of openat2(). */
int opener_open_in_root(int proc_fd, uint32_t tgid, const char *path, uint64_t resolve);

#endif
