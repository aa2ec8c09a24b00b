/*
 * Between core and symbolizer, version 1; the supervisor passes the same messages on to its children.
 *
 * A request carries the file's descriptor, and those of the files that hold a part of its debug information, as far as
 * they are there: its separate debug file, dwz's shared file, a package of split DWARF, and single .dwo files, in this
 * order. An answer's payload comes in a sealed memfd of header.size bytes, if the status is SYMWIRE_OK; otherwise there
 * is none. An answer of frames may hold those of the first addresses only, at least one: the core asks again for the
 * rest, so that no file keeps others waiting. It may say which files it lacks; the addresses that would be answered
 * better with them carry SYMBOLIZER_LESS_FILES, and the core asks for these again when it has some of the files. The core
 * treats an answer as hostile: symbolizer/codec.h checks it.
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
		5, /* payload: user addresses; the file, and the debug file, are a perf map or a jitdump → struct symwire_frames */
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
#define SYMWIRE_SPLITS_MAX 60 /* .dwo files that come with one request: what is wanted at a time */
#define SYMWIRE_FDS_MAX (4 + SYMWIRE_SPLITS_MAX)

struct symwire_request {
	struct wire_header header;
	uint64_t key; /* of the file; a child is kept warm by it */
	uint64_t owner; /* for the owner's budget of killed children */
	uint32_t nr; /* addresses behind the request */
	uint8_t has_debug, has_alt, has_package; /* 0 or 1: descriptors behind the file's own */
	uint8_t nr_splits; /* … and behind those, up to SYMWIRE_SPLITS_MAX */
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

#define SYMWIRE_WANTS_MAX (1 + SYMWIRE_SPLITS_MAX) /* of one answer */
#define SYMWIRE_WANT_PATH_MAX 1024 /* with its NUL */
#define SYMWIRE_WANT_ID_MAX 128
struct symwire_want {
	uint64_t dwo_id;
	uint32_t kind; /* enum symbolizer_supplement: ALT or SPLIT */
	uint32_t path, directory;
	uint32_t id_len;
	uint8_t id[SYMWIRE_WANT_ID_MAX];
};

struct symwire_frames {
	uint32_t nr_answers, nr_wants, nr_frames, strings_size;
	/* nr_answers × symwire_answer, nr_wants × symwire_want, nr_frames × symwire_frame, strings_size bytes */
};

#define SYMWIRE_CONTAINER_STRINGS 6 /* id, name, image, pod, namespace, container */
#define SYMWIRE_CONTAINERS_MAX 4096
struct symwire_containers {
	uint32_t nr, strings_size;
	/* nr × SYMWIRE_CONTAINER_STRINGS × uint32_t, strings_size bytes */
};

bool symwire_check_request(const struct symwire_request *request, size_t n);

/* How many descriptors come with a request that was checked. */
size_t symwire_nr_fds(const struct symwire_request *request);

#endif
