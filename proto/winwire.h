/*
 * Wire protocol between core and exporter: one message and one sealed memfd per closed window, and little else.
 *
 * Transport: a SOCK_SEQPACKET pair, one message per packet. A window's packet carries its header (what is
 * true of the whole window) and, by SCM_RIGHTS, a sealed memfd with the body (one entry per owner). The
 * exporter answers STORED once the window is committed to disk, or REFUSED with the reason; the core keeps
 * the memfd until then and sends it again to a new exporter. (boot id, agent start, number) names a window
 * for ever, so that a repeat is harmless.
 *
 * Numbers are LEB128 (proto/varint.h), strings are length-prefixed and NUL-terminated. Both ends are of one
 * build: HELLO and READY carry its version, and another's is refused, so there is no older format to read.
 *
 * Pure: bytes in, bytes out. Decoders take foreign bytes (fuzzed: tests/fuzz/fuzz_winwire.c).
 */
#ifndef FLEETPROF_PROTO_WINWIRE_H
#define FLEETPROF_PROTO_WINWIRE_H

#include "agent/base/buf.h"
#include "proto/varint.h"

#include <stdbool.h>
#include <stdint.h>

#define WINWIRE_PACKET_MAX (64u << 10) /* far below the socket's default send buffer of 208 KiB */
#define WINWIRE_BODY_MAX (256u << 20) /* what the exporter maps at most */
#define WINWIRE_STRING_MAX 4096 /* of any string; profile strings have the same bound */
#define WINWIRE_MAX_LOSSES 32
#define WINWIRE_LOSS_NAME 48
#define WINWIRE_MAX_OWNERS 1025 /* 1,024 per window (DESIGN 5) and "other" */
#define WINWIRE_MAX_LABELS 32
#define WINWIRE_MAX_SECONDS 3600 /* of the histogram: a window is 10 or 60 s, a roll-up none */
#define WINWIRE_TOKEN_MAX 128
#define WINWIRE_BUILD_ID_MIN                                                                       \
	8 /* bytes; linkers make 8 to 20, and what is shorter tells too little */
#define WINWIRE_BUILD_ID_MAX 64
#define WINWIRE_UNKNOWN UINT64_MAX /* a number that could not be read */

enum winwire_type {
	WINWIRE_HELLO =
		1, /* core → exporter, first: winwire_greeting, the page's token beside the version */
	WINWIRE_READY, /* exporter → core: winwire_greeting; windows may come. Again when the address changes */
	WINWIRE_WINDOW, /* core → exporter: winwire_header, one descriptor beside it */
	WINWIRE_STORED, /* exporter → core: winwire_answer */
	WINWIRE_REFUSED, /* exporter → core: winwire_answer with the errno; never sent again */
	WINWIRE_WATCH, /* exporter → core: winwire_answer, number 1: somebody watches, close windows at 10 s */
	WINWIRE_METRICS, /* core → exporter: winwire_text, the core's own metrics in Prometheus' text format */
	WINWIRE_DEBUG_ASK, /* core → exporter: winwire_build_id, whose debug file is wanted under that number */
	/*
	 * exporter → core: winwire_answer to it, once; with error 0 a descriptor beside it, of what may be the file. Else
	 * -ENOENT: nobody has it; -EFBIG: it is too large; -EAGAIN, -ENOSPC or others: not now.
	 */
	WINWIRE_DEBUG_FILE,
	WINWIRE_DEBUG_BAD, /* core → exporter: winwire_build_id, what came is not its debug file; number 0 */
};

struct winwire_loss {
	char name[WINWIRE_LOSS_NAME];
	uint64_t count;
};

enum {
	WINWIRE_CLOCK_JUMP = 1u << 0, /* the wall clock jumped: the window was closed early */
	WINWIRE_CLOCK_DOUBTFUL =
		1u << 1, /* off by more than 10 minutes at start: stored, not uploaded */
	WINWIRE_FLAGS = 3,
};

struct winwire_header {
	uint8_t boot_id[16];
	uint64_t agent_start_ns; /* CLOCK_BOOTTIME; with boot_id: the run */
	uint64_t number; /* from 1, ascending within a run */
	uint64_t start_boot_ns, duration_ns; /* CLOCK_BOOTTIME */
	uint64_t start_wall_ns; /* UTC */
	uint64_t period_ns; /* of one sample */
	uint32_t rate_hz, nr_cpus;
	uint32_t flags; /* WINWIRE_CLOCK_… */
	char host[256], kernel[128], version[32];
	struct winwire_loss losses[WINWIRE_MAX_LOSSES];
	size_t nr_losses;
};

/* One message of any type; the members that its type does not use are zero. */
struct winwire_message {
	enum winwire_type type;
	struct winwire_header header; /* WINDOW */
	uint64_t number; /* STORED, REFUSED, WATCH, DEBUG_… */
	int error; /* REFUSED, DEBUG_FILE: negative errno */
	uint8_t build_id[WINWIRE_BUILD_ID_MAX]; /* DEBUG_ASK, DEBUG_BAD: build_id_len bytes */
	size_t build_id_len;
	/* These point into the packet, and are "" where the type does not use them. */
	const char *text; /* HELLO, READY: the build's version; METRICS */
	/*
	 * HELLO: the secret that the page's users must show, of the core's making so that an exporter that
	 * is started again keeps it; "": no page. The socket is private to the two processes.
	 */
	const char *token;
	const char *address; /* READY: where the page listens, "127.0.0.1:7380"; "": nowhere */
};

/* Each adds one packet's bytes. extra: HELLO's token or READY's address. */
void winwire_put_greeting(struct buf *b, enum winwire_type type, const char *version,
			  const char *extra);
void winwire_put_text(struct buf *b, enum winwire_type type, const char *text);
void winwire_put_window(struct buf *b, const struct winwire_header *header);
void winwire_put_answer(struct buf *b, enum winwire_type type, uint64_t number, int error);
void winwire_put_build_id(struct buf *b, enum winwire_type type, uint64_t number,
			  const uint8_t *build_id, size_t len);

/* 0 or -EBADMSG. ret is large (a header): keep it off deep stacks. */
int winwire_parse(const void *packet, size_t len, struct winwire_message *ret);

/* The header alone, as the store keeps it beside a window. */
void winwire_put_header(struct buf *b, const struct winwire_header *header);
int winwire_parse_header(const void *data, size_t len, struct winwire_header *ret);

/* Adds a window's losses to those that are there, by name; when the table is full the last name takes the rest. */
void winwire_add_losses(struct winwire_header *to, const struct winwire_header *from);

struct winwire_label {
	const char *key, *value;
};

/* One owner's part of a window. Pointers given out by the reader point into the body. */
struct winwire_owner {
	const char *name, *id, *runtime, *image, *cgroup_path; /* as in proto/profile.h */
	/* pod, pod_uid, namespace, workload, container: Kubernetes' own; nested_id, within: as in struct owner_ref */
	struct winwire_label labels[WINWIRE_MAX_LABELS];
	size_t nr_labels;
	uint64_t samples, value_ns;
	uint64_t usage_ns; /* the kernel's own cpu.stat over the window; WINWIRE_UNKNOWN */
	uint64_t nr_throttled, throttled_ns; /* of cpu.stat; WINWIRE_UNKNOWN */
	const uint8_t *seconds; /* samples of each second: as winwire_put_seconds() made it */
	size_t seconds_len;
	const uint8_t *profile; /* proto/compact.h */
	size_t profile_len;
};

/* The histogram of a window: one number per second, runs of zeros cut at the end. */
void winwire_put_seconds(struct buf *b, const uint32_t *samples, size_t nr);
/* The inverse: fills at most max, returns how many there are, or -EBADMSG. */
int winwire_parse_seconds(const void *data, size_t len, uint32_t *samples, size_t max);

void winwire_put_body(struct buf *b, size_t nr_owners);
/* Who the owner is, without its numbers: the first part of winwire_put_owner(), as the store keeps it too. */
void winwire_put_identity(struct buf *b, const struct winwire_owner *owner);
void winwire_put_owner(struct buf *b, const struct winwire_owner *owner);

struct winwire_body {
	struct varint_reader reader;
	size_t nr_owners, next;
};

/* 0 or -EBADMSG. */
int winwire_body_init(struct winwire_body *body, const void *data, size_t len);
/* 1 and the next owner, 0 at the end (which must be the body's), -EBADMSG. */
int winwire_body_next(struct winwire_body *body, struct winwire_owner *ret);

#endif
