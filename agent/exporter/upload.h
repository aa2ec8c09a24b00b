/*
 * Uploads: what the store's outbox holds goes to each back end, at that back end's own pace.
 *
 * Newest window first; rows of equal outgoing labels of one window are one request, and of ten minutes where the budget
 * would otherwise let rows grow too old. A back end that is away is a cursor that waits: nothing of it is in memory but
 * the rows of one window.
 */
#ifndef FLEETPROF_EXPORTER_UPLOAD_H
#define FLEETPROF_EXPORTER_UPLOAD_H

#include "agent/base/loop.h"
#include "agent/exporter/options.h"
#include "agent/exporter/sandbox.h"
#include "agent/exporter/store_outbox.h"
#include "agent/exporter/upload_answer.h"
#include "agent/exporter/upload_series.h"

struct upload;

/*
 * Reads the secret files and initialises the libraries: while the process still has its privileges, and one thread.
 * options: live as long as this.
 */
int upload_new(struct upload **ret, const struct options_upload *options, struct err *err);
struct upload *upload_free(struct upload *u);
DEFINE_CLEANUP(struct upload *, upload_free)

/* Begins: names the back ends to the store, and sends what waits from an earlier run. */
int upload_start(struct upload *u, struct loop *loop, struct store *store, struct err *err);

/* Adds what uploads need: the ports of the back ends, the folders of the secret files. 0, -ENOSPC or -ENOMEM. */
int upload_confine(struct upload *u, struct exportersandbox *sandbox);

/* A window was stored. */
void upload_stored(struct upload *u, const struct winwire_header *header);

size_t upload_nr(const struct upload *u);
const char *upload_name(const struct upload *u, size_t backend);

struct upload_counts {
	struct store_outbox_counts outbox; /* queued = waiting + Σ outcomes */
	uint64_t requests, bytes; /* since the start of the process, as what follows */
	uint64_t answers[UPLOADANSWER_NR];
	uint64_t samples, value_ns; /* acknowledged */
	uint64_t samples_too_large; /* left out of a row: one alone was above the limits */
	uint64_t parts; /* requests that carried a part of a row */
	bool failing; /* the last answer was a failure */
};
int upload_counts(struct upload *u, size_t backend, struct upload_counts *ret);

/* Adds metric families (text format 0.0.4), and the page's status: JSON objects, commas in between. 0 or -errno. */
int upload_write_metrics(struct upload *u, struct buf *out);
int upload_write_status(struct upload *u, struct buf *out);

#endif
