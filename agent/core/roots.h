/*
 * Root folders of processes, kept open: what a program's debug information needs is looked up there when the process may
 * have ended. Many processes have one root; it is the same by its device, inode and mount.
 */
#ifndef FLEETPROF_CORE_ROOTS_H
#define FLEETPROF_CORE_ROOTS_H

#include "agent/base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

#define ROOTS_MAX 512 /* different ones that are in use; more are not kept, and counted */

struct roots;
struct root;

int roots_new(struct roots **ret);
struct roots *roots_free(struct roots *r); /* after all of its roots */
DEFINE_CLEANUP(struct roots *, roots_free)

/* A reference to the root behind fd, which is consumed; NULL: none, there are too many, or it cannot be told. */
struct root *roots_take(struct roots *r, int fd);
struct root *root_put(struct root *root); /* takes NULL, returns NULL */

int root_fd(const struct root *root); /* an O_PATH descriptor, the root's */
uint64_t roots_refused(const struct roots *r);

#endif
