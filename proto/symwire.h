/*
 * Between core and symbolizer, version 1; the supervisor passes the same messages on to its children.
 *
 * A request carries the file's descriptor, and that of its separate debug file if there is one. An answer's payload comes
 * in a sealed memfd of header.size bytes, if the status is SYMWIRE_OK; otherwise there is none. An answer of frames may
 * hold those of the first addresses only, at least one: the core asks again for the rest, so that no file keeps others
 * waiting. The core treats an answer as hostile: symbolizer/codec.h checks it.
 */
#ifndef FLEETPROF_PROTO_SYMWIRE_H
#define FLEETPROF_PROTO_SYMWIRE_H

#include "proto/wire.h"

enum symwire_type {
	SYMWIRE_IDENTITY = 1, /* → struct symbolizer_identity */
	SYMWIRE_FRAMES = 2, /* payload: file offsets → struct symwire_frames */
	SYMWIRE_KERNEL =
		3, /* payload: kernel addresses; the file is /proc/kallsyms → struct symwire_frames */
	SYMWIRE_CONTAINERS = 4, /* the file is a runtime's metadata → struct symwire_containers */
	SYMWIRE_JIT =
		5, /* payload: user addresses; the file is a perf map or a jitdump → struct symwire_frames */
	SYMWIRE_UNWIND = 6, /* → an unwind table's image, see proto/unwind_image.h */
	SYMWIRE_DIGEST = 7, /* → the SHA-256 of the file's content, 32 bytes */
	SYMWIRE_TYPE_END
};

/* Equal to enum symclient_status of symbolizer/client.h, as far as a supervisor can tell. */
enum symwire_status {
	SYMWIRE_OK = 0,
	SYMWIRE_NOT_ELF,
	SYMWIRE_BROKEN,
	SYMWIRE_TIMEOUT,
	SYMWIRE_CRASHED,
	SYMWIRE_QUARANTINED,
	SYMWIRE_FILE_CHANGED,
	SYMWIRE_STATUS_END
};

#define SYMWIRE_ADDRESSES_MAX 4096 /* of one request */
#define SYMWIRE_ANSWER_MAX (64u << 20)

struct symwire_request {
	struct wire_header header;
	uint64_t key; /* of the file; a child is kept warm by it */
	uint64_t owner; /* for the owner's budget of killed children */
	uint32_t nr; /* addresses behind the request */
	uint32_t pad;
};

/* Offsets are into the strings behind the tables; every string ends with NUL within them. */
struct symwire_frame {
	uint32_t name, system_name, file;
	uint32_t line, column, start_line;
	uint32_t inlined; /* 0 or 1 */
};

struct symwire_answer {
	uint64_t vaddr;
	uint32_t first_frame, nr_frames;
	uint32_t source, less; /* as in symbolizer/symbolizer.h */
};

struct symwire_frames {
	uint32_t nr_answers, nr_frames, strings_size, pad;
	/* nr_answers × symwire_answer, nr_frames × symwire_frame, strings_size bytes */
};

#define SYMWIRE_CONTAINER_STRINGS 6 /* id, name, image, pod, namespace, container */
#define SYMWIRE_CONTAINERS_MAX 4096
struct symwire_containers {
	uint32_t nr, strings_size;
	/* nr × SYMWIRE_CONTAINER_STRINGS × uint32_t, strings_size bytes */
};

bool symwire_check_request(const struct symwire_request *request, size_t n);

#endif
