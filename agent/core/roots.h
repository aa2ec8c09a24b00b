/*
 * Root folders of processes: what a program's debug information needs is looked up there, when the process may have
 * ended, and serves nobody with another root.
 *
 * A root is known by its mount's id and its inode number, which the kernel side says with each sample; it is open
 * when the opener has brought a descriptor that statx(2) says the same of. For folders overlayfs shows its own inode's
 * number in both places (Documentation/filesystems/overlayfs.rst, "Inode properties"). While the descriptor is open a
 * mount's id is not given to another one.
 */
#ifndef FLEETPROF_CORE_ROOTS_H
#define FLEETPROF_CORE_ROOTS_H

#include "agent/base/cleanup.h"
#include "agent/opener/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOTS_MAX 512 /* different ones that are in use; more are not kept, and counted */

struct roots;
struct root;

struct root_key {
	uint64_t ino;
	uint32_t mount, pad;
};

/* Whether or not it could be opened, asking for it is over, for now. */
typedef void (*roots_fn)(struct root *root, void *userdata);

int roots_new(struct roots **ret, struct openclient *opener, roots_fn fn, void *userdata);
struct roots *roots_free(struct roots *r); /* after all of its roots, and the opener */
DEFINE_CLEANUP(struct roots *, roots_free)

/* A reference to the root of this key; NULL: there are too many. */
struct root *roots_get(struct roots *r, const struct root_key *key);
bool roots_know(const struct roots *r, const struct root_key *key);
struct root *root_put(struct root *root); /* takes NULL, returns NULL */

/* A root folder's descriptor, consumed: kept if it is that of a root that is in use and not open. */
void roots_offer(struct roots *r, int fd);

/*
 * Asks for the root of a process that has it, if it is not open and asking makes sense. tid: a thread of it, which may
 * live when the process's leader has ended.
 */
void root_want(struct root *root, uint32_t tgid, uint32_t tid, uint64_t start_boot_ns);

int root_fd(const struct root *root); /* an O_PATH descriptor, the root's; -1: not open */
bool root_is_asked(const struct root *root); /* an answer is on its way */
uint64_t roots_refused(const struct roots *r);

#endif
