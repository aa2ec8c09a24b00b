/*
 * The core's end of the symbolizer: starts the supervisor, sends requests, hands out checked answers.
 *
 * Every answer comes from a process that parsed hostile bytes; the client checks sizes, counts,
 * offsets and UTF-8 before a callback sees it. A supervisor that dies is started again; requests that
 * were under way are answered with SYMCLIENT_LOST, once, and may be repeated by the caller.
 *
 * Wire format: proto/symwire.h.
 */
#ifndef FLEETPROF_SYMBOLIZER_CLIENT_H
#define FLEETPROF_SYMBOLIZER_CLIENT_H

#include "agent/base/helper.h"
#include "symbolizer/symbolizer.h"

struct symclient;

/* spawn starts fleetprof-symbolizer as a supervisor; see agent/base/helper.h. */
int symclient_new(struct symclient **ret, struct loop *loop, helper_spawn_fn spawn,
		  void *spawn_userdata, struct err *err);
struct symclient *symclient_free(
	struct symclient *client); /* outstanding requests are answered LOST */
DEFINE_CLEANUP(struct symclient *, symclient_free)

/* Pid of the supervisor, for accounting; 0 while it is down. */
int symclient_pid(const struct symclient *client);
uint64_t symclient_restarts(const struct symclient *client);

enum symclient_status {
	SYMCLIENT_OK = 0,
	SYMCLIENT_NOT_ELF, /* nothing to be had from this file */
	SYMCLIENT_BROKEN, /* malformed */
	SYMCLIENT_TIMEOUT, /* over its deadline; the child was killed */
	SYMCLIENT_CRASHED, /* the child died, or ran out of its memory */
	SYMCLIENT_QUARANTINED, /* killed its child twice before: not tried any more */
	SYMCLIENT_FILE_CHANGED, /* truncated or rewritten while it was read */
	SYMCLIENT_LOST, /* the supervisor died, or the client is being freed */
};

enum symclient_priority { SYMCLIENT_SMALL_TABLES = 0, SYMCLIENT_NAMES = 1, SYMCLIENT_BIG = 2 };

/*
 * A file revision as the core knows it; the supervisor keeps one child per key warm.
 * key: the core's file id, never reused within a run. owner: hash of the owner, for the kill budget.
 */
#define SYMCLIENT_REMOTE_KEY(n)                                                                    \
	((1ULL << 60) | (n)) /* of a file and what came for it from elsewhere */
struct symclient_file {
	uint64_t key;
	uint64_t owner;
	int fd; /* duplicated by the call */
	/*
	 * Of files that hold a part of its debug information, as well; 0: none. The symbolizer checks that they are this
	 * file's. Of nr_splits .dwo files, SYMWIRE_SPLITS_MAX are taken.
	 */
	int debug_fd, alt_fd, package_fd;
	const int *split_fds;
	size_t nr_splits;
};

/* result is NULL unless status is OK, and valid during the call. Its wants are of the request's addresses together. */
typedef void (*symclient_frames_fn)(enum symclient_status status,
				    const struct symbolizer_result *result, void *userdata);
typedef void (*symclient_identity_fn)(enum symclient_status status,
				      const struct symbolizer_identity *identity, void *userdata);

/* offsets: file offsets, ascending. Long lists are split; the callback is called once, with all. */
int symclient_frames(struct symclient *client, const struct symclient_file *file,
		     enum symclient_priority priority, const uint64_t *offsets, size_t nr,
		     symclient_frames_fn fn, void *userdata);

int symclient_identity(struct symclient *client, const struct symclient_file *file,
		       symclient_identity_fn fn, void *userdata);

/*
 * The file's unwind table: an image that has passed unwind_image_check() (proto/unwind_image.h), NULL unless status is
 * OK, and valid during the call. priority: SMALL_TABLES, or BIG for a file that takes long.
 */
typedef void (*symclient_unwind_fn)(enum symclient_status status, const void *image, size_t size,
				    void *userdata);
int symclient_unwind(struct symclient *client, const struct symclient_file *file,
		     enum symclient_priority priority, symclient_unwind_fn fn, void *userdata);

/*
 * The SHA-256 of the file's whole content, for SYMCLIENT_OK; valid during the call. Its child is another than that of
 * the file's names: neither waits for the other, and a file too slow to be read in time loses only this.
 */
typedef void (*symclient_digest_fn)(enum symclient_status status,
				    const uint8_t digest[SYMBOLIZER_DIGEST_SIZE], void *userdata);
int symclient_digest(struct symclient *client, const struct symclient_file *file,
		     symclient_digest_fn fn, void *userdata);

/*
 * addresses: kernel addresses, ascending. kallsyms_fd: an open /proc/kallsyms, or a memfd of it. vmlinux_fd: the kernel's
 * own file with debug information, which is known to be this kernel's; -1: none. Keys from SYMCLIENT_VMLINUX_KEY
 * downwards are for symclient_identity() of files that may be it.
 */
#define SYMCLIENT_VMLINUX_KEY (UINT64_MAX - 1)
int symclient_kernel(struct symclient *client, int kallsyms_fd, int vmlinux_fd,
		     const uint64_t *addresses, size_t nr, symclient_frames_fn fn, void *userdata);

/*
 * addresses: of generated code, ascending. file: a perf map or a jitdump, which may grow meanwhile, and as its debug
 * file another one, for what the first does not know. key: not a file id, but one that stays that of the two files
 * (SYMCLIENT_JIT_KEY of a number of the caller's).
 */
#define SYMCLIENT_JIT_KEY(n) ((1ULL << 62) | (n))
int symclient_jit(struct symclient *client, const struct symclient_file *file,
		  const uint64_t *addresses, size_t nr, symclient_frames_fn fn, void *userdata);

/*
 * Names and image of a container from a runtime's own metadata file (Docker's config.v2.json,
 * podman's and containers/storage's containers.json, an OCI bundle's config.json).
 * Strings are "" if absent, valid during the call.
 */
struct symclient_container {
	const char *id, *name, *image;
	const char *pod, *namespace, *container; /* Kubernetes' own, from labels or annotations */
};
typedef void (*symclient_containers_fn)(enum symclient_status status,
					const struct symclient_container *containers, size_t nr,
					void *userdata);
int symclient_containers(struct symclient *client, const struct symclient_file *file,
			 symclient_containers_fn fn, void *userdata);

/* Addresses that symclient_frames() asked for so far. */
uint64_t symclient_addresses(const struct symclient *client);

#endif
