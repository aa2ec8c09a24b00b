/* The opener's parent: gives each request to a worker process, with a deadline. */
#ifndef FLEETPROF_OPENER_SERVER_H
#define FLEETPROF_OPENER_SERVER_H

#include <stdint.h>

/* Serves the core at socket until it closes its end. Returns 0 or -errno. */
int opener_serve(int socket, uint32_t deadline_ms);

#endif
