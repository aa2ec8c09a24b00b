/* What the client's files share: a job, which is a call of it, and the job's parts, which are messages. */
#ifndef FLEETPROF_SYMBOLIZER_CLIENT_INTERNAL_H
#define FLEETPROF_SYMBOLIZER_CLIENT_INTERNAL_H

#include "proto/symwire.h"
#include "symbolizer/client.h"

struct symjob;

/* One message: a part of a job. */
struct sympart {
	struct sympart *next; /* in the queue */
	struct sympart *next_of_job;
	struct symjob *job;
	uint64_t id;
	size_t first, nr; /* of the job's addresses */
	void *data; /* the answer's bytes */
	size_t size;
	struct symbolizer_result result;
	bool answered;
};

/* One call of the client: its answer is given when all of its parts have one. */
struct symjob {
	struct symclient *client;
	enum symwire_type type;
	int fds[SYMWIRE_FDS_MAX]; /* in the order of the message */
	size_t nr_fds;
	struct symwire_request head; /* says which they are */
	uint64_t *addresses;
	size_t nr, nr_waiting, nr_ok;
	struct sympart *parts; /* in no order */
	enum symclient_priority priority;
	enum symclient_status status; /* of the first part that failed */
	union {
		symclient_frames_fn on_frames;
		symclient_identity_fn on_identity;
		symclient_containers_fn on_containers;
		symclient_unwind_fn on_unwind;
		symclient_digest_fn on_digest;
	};
	void *userdata;
};

/*
 * A job with all of its parts, not queued yet; the caller sets on_… and userdata. File descriptors are duplicated,
 * addresses copied; what of the file's supplements cannot be is left out: there are fewer names. nr is 0 where the
 * message has no addresses. -ENOMEM, or why the file's descriptor cannot be duplicated.
 */
int symjob_new(struct symjob **ret, struct symclient *c, enum symwire_type type,
	       const struct symclient_file *file, const uint64_t *addresses, size_t nr);

/*
 * A part has its answer: size bytes of part->data where status is SYMCLIENT_OK, checked here. The rest of a part that was
 * answered by half is queued as another part. With the last one the job's callback is called, and the job is freed, its
 * parts too. The second answer of a part is ignored.
 */
void symjob_answer(struct sympart *part, enum symclient_status status, size_t size);

/* client.c: behind what waits with the job's priority. */
void symclient_enqueue(struct sympart *part);

#endif
