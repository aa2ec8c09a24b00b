/*
 * Between core and opener: a request names a file of a process, the answer carries its descriptor or an errno.
 *
 * The answer to MAPPING carries the process's root folder (O_PATH) behind the file, if it could be had: files that are
 * wanted later, when the process may be gone, are asked for below it.
 */
#ifndef FLEETPROF_PROTO_OPENWIRE_H
#define FLEETPROF_PROTO_OPENWIRE_H

#include "proto/wire.h"

#define OPENWIRE_PATH_MAX 1024
#define OPENWIRE_FDS_MAX 2 /* of an answer */

enum openwire_type {
	OPENWIRE_MAPPING = 1, /* /proc/TGID/map_files/START-END */
	OPENWIRE_IN_ROOT = 2, /* path inside the root of TGID */
	OPENWIRE_PROC = 3, /* path: one of OPENWIRE_PROC_NAMES below /proc/TGID */
	OPENWIRE_PERF_MAP =
		4, /* /tmp/perf-PID.map inside the root of TGID, PID being its own view of itself */
	OPENWIRE_ELF_IN_ROOT = 5, /* as IN_ROOT, of a file that begins as ELF files do */
	OPENWIRE_ELF_BELOW = 6, /* the same below a root whose descriptor comes along; TGID is 0 */
	OPENWIRE_JITDUMP =
		7, /* jit-PID.dump, wherever it is: TGID shows it by mapping it executable */
	OPENWIRE_MAP_PLACE =
		8, /* /tmp inside the root of TGID, whose PID and user come with the answer */
	OPENWIRE_MAP_AT = 9, /* perf-START.map of user END in such a folder; TGID is 0 */
	OPENWIRE_ROOT = 10, /* the root folder of TGID, alone */
};
#define OPENWIRE_PROC_NAMES                                                                        \
	{                                                                                          \
		"mountinfo", "cgroup"                                                              \
	}

struct openwire_request {
	struct wire_header header;
	uint32_t tgid, dev, s_magic, pad;
	uint64_t start_boot_ns, start, end;
	char path[OPENWIRE_PATH_MAX]; /* NUL-terminated */
};

struct openwire_answer {
	struct wire_header header;
	int32_t result; /* 0: a descriptor comes along; negative errno */
	uint32_t pid, uid; /* of MAP_PLACE: as the process sees itself; its effective user */
	uint32_t pad;
};

/* Do n bytes at request make a request? */
bool openwire_check_request(const struct openwire_request *request, size_t n);
/* Does a folder's descriptor come with it? */
bool openwire_has_folder(const struct openwire_request *request);
bool openwire_check_answer(const struct openwire_answer *answer, size_t n);

/* Is this a file system whose server may let an open wait (FUSE, NFS, CIFS, 9p, Ceph, Lustre)? linux/magic.h */
bool openwire_may_stall(uint32_t s_magic);

#endif
