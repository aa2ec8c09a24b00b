/* The opener's one real act: open the file of a request, or say why not. */
#ifndef FLEETPROF_OPENER_WORKER_H
#define FLEETPROF_OPENER_WORKER_H

#include "proto/openwire.h"

/*
 * A descriptor of a regular file, O_RDONLY | O_CLOEXEC, or a negative errno. May block for as long as the file
 * system likes. proc_fd: /proc.
 */
int opener_open(int proc_fd, const struct openwire_request *request);

#endif
