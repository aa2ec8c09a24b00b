/*
 * Debug files that are not on this host: asked of the exporter by build ID.
 *
 * What the exporter answers comes from the network: it is a candidate, which the caller has the symbolizer compare, and
 * reports if it is not the file. Nobody waits here: an answer comes when it comes.
 */
#ifndef FLEETPROF_CORE_REMOTEDEBUG_H
#define FLEETPROF_CORE_REMOTEDEBUG_H

#include "agent/base/cleanup.h"
#include "symbolizer/symbolizer.h"

#define REMOTEDEBUG_MAX                                                                            \
	4096 /* questions that wait for an answer; a further one is told to come again */
#define REMOTEDEBUG_SENT_MAX                                                                       \
	64 /* of them at the exporter: its socket has to have room for windows */

struct remotedebug;

struct remotedebug_config {
	/* Sends a question (proto/winwire.h). 0, or -errno: not now. */
	int (*ask)(uint64_t number, const uint8_t *build_id, size_t len, void *userdata);
	/* What came for it is not its debug file. */
	void (*bad)(const uint8_t *build_id, size_t len, void *userdata);
	void *userdata;
};

int remotedebug_new(struct remotedebug **ret, const struct remotedebug_config *config);
/* Questions are left without an answer. */
struct remotedebug *remotedebug_free(struct remotedebug *d);
DEFINE_CLEANUP(struct remotedebug *, remotedebug_free)

/*
 * fd: a descriptor of a regular file to be read, which the callback owns; or -ENOENT: nobody has it; -EFBIG: it is larger
 * than the settings allow; others: not now. Called once, never within the call.
 */
typedef void (*remotedebug_fn)(int fd, void *userdata);

/* 0; or -EINVAL: no such build ID, -EBUSY, -ENOMEM, and the callback does not come. */
int remotedebug_find(struct remotedebug *d, const uint8_t *build_id, size_t len, remotedebug_fn fn,
		     void *userdata);

/* What came for it is not its debug file. */
void remotedebug_bad(struct remotedebug *d, const uint8_t *build_id, size_t len);

/* The exporter answered a question. fd: consumed; -1 without. */
void remotedebug_answer(struct remotedebug *d, uint64_t number, int error, int fd);
/* The exporter is gone: what it was asked is asked of the next one. */
void remotedebug_down(struct remotedebug *d);
/* Asks what waits, as far as the exporter takes it. */
void remotedebug_proceed(struct remotedebug *d);

struct remotedebug_counts {
	uint64_t asked; /* = found + nobody + later + waiting */
	uint64_t found, nobody, later;
	uint64_t bad; /* of those found */
	size_t waiting; /* now */
};
void remotedebug_counts(const struct remotedebug *d, struct remotedebug_counts *ret);

#endif
