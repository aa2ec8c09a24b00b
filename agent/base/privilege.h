/*
 * Giving privileges up: a uid, the capabilities that stay, no way back.
 *
 * capabilities(7). What is dropped here cannot be had again, not even by executing a program.
 */
#ifndef FLEETPROF_BASE_PRIVILEGE_H
#define FLEETPROF_BASE_PRIVILEGE_H

#include "agent/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/capability.h>

/*
 * Keeps the nr capabilities of keep (as far as the process has them) in the permitted and effective sets and empties
 * the inheritable, ambient and, as far as allowed, bounding sets; sets no_new_privs; forbids core dumps and ptrace by
 * others of the uid. uid: the user and group to become, 0: stay. Without CAP_SETUID the uid stays.
 */
int privilege_drop(const cap_value_t *keep, size_t nr, uint32_t uid, struct err *err);

/* A uid that no account uses, out of the range that is there for services without one (61184…65519). */
uint32_t privilege_spare_uid(void);

/* Does the process have this capability in its effective set? */
bool privilege_has(cap_value_t capability);

#endif
