/* What the files of the uploads share. */
#ifndef FLEETPROF_EXPORTER_UPLOAD_INTERNAL_H
#define FLEETPROF_EXPORTER_UPLOAD_INTERNAL_H

#include "agent/exporter/upload.h"
#include "agent/exporter/upload_http.h"
#include "agent/exporter/upload_pace.h"
#include "agent/exporter/upload_request.h"

#define UPLOAD_ROWS_MAX 16384 /* of one plan: ten minutes of a thousand owners, more or less */
#define UPLOAD_SUSPECTS_MAX 256
#define UPLOAD_TRANSACTIONS_MAX                                                                    \
	4 /* of one planning: each is a write to the disk that the loop waits for */

/* A row that may be why a request failed: it goes alone, and only after others went well. */
struct upload_suspect {
	int64_t window, owner;
	uint64_t successes; /* the back end's, when it failed last */
	uint32_t tries; /* failures with a success of others between them */
};

struct upload_backend {
	struct upload *upload;
	size_t target;
	const struct upload_config *config;
	struct uploadhttp_secrets secrets;
	struct uploadhttp_peer *peer;
	struct uploadpace pace;
	struct loop_source *timer;

	/* the plan: what waits of one window (or ten minutes), by series; next is the first that was not sent */
	struct store_row *rows;
	size_t nr_rows, next;
	bool stale; /* plan anew: newer windows are there */
	bool merging; /* over budget: the plan is of ten minutes, and is finished before there is another … */
	int64_t sweep_before; /* … which is of older windows than this one, and at last of the newest again */
	uint64_t generation; /* of the store that the rows are of */
	size_t nr_transactions; /* of this planning */
	uint64_t new_from_ns; /* windows that start from then on are new; before, old */
	uint64_t due_ns; /* when the newest window's turn comes; 0: there is none */
	uint64_t due_start_ns; /* its start */
	uint64_t window_ns; /* its length */

	/* under way, or acknowledged and not written down yet */
	struct uploadrequest request;
	size_t nr_sent; /* rows, from next on */
	bool sending, settling, partial; /* settling a part of a row: its progress, not its end */
	enum store_outcome outcome; /* while settling */
	uint32_t part_bytes; /* what the back end takes, as far as we know */
	uint32_t slow_downs; /* in a row */

	struct upload_suspect suspects[UPLOAD_SUSPECTS_MAX];
	size_t nr_suspects;
	uint64_t successes;
	struct upload_counts counts;
};

struct upload {
	const struct options_upload *options;
	struct loop *loop;
	struct store *store;
	struct http *http;
	struct uploadseries *series;
	char node[256];
	char *folders[UPLOAD_MAX_BACKENDS * 6]; /* of secret files */
	size_t nr_folders;
	struct upload_backend *backends[UPLOAD_MAX_BACKENDS];
	size_t nr_backends;
};

/*
 * Makes a plan if there is none. 1: there is something to send; 0: there is not, and *ret_at is 0 or when to ask again;
 * or -errno.
 */
int upload_plan(struct upload_backend *b, uint64_t now_ns, uint64_t *ret_at);

/* How many of the plan's rows, from b->next on, may go as one request: at least 1. */
size_t upload_plan_group(struct upload_backend *b);

/* Windows that start before this are given up. */
uint64_t upload_too_old_ns(const struct upload_backend *b);

/* Adds or counts: how often it failed while others did not. */
uint32_t upload_suspect_add(struct upload_backend *b, const struct store_row *row);
void upload_suspect_remove(struct upload_backend *b, const struct store_row *row);

#endif
