/*
 * Rows of the store become the body of one push request that stays below a back end's limits.
 *
 * Either several whole rows are merged into one profile, as many as fit, or one row is sent in parts, each a run of its
 * samples in the order of decoding, so that what was acknowledged is told by one number that survives a restart.
 */
#ifndef FLEETPROF_EXPORTER_UPLOAD_REQUEST_H
#define FLEETPROF_EXPORTER_UPLOAD_REQUEST_H

#include "agent/exporter/store_outbox.h"

#include <stdbool.h>

#define UPLOADREQUEST_BODY_MAX (16u << 20)

struct uploadrequest_limits {
	uint32_t max_samples, max_bytes; /* of a profile, uncompressed */
};

struct uploadrequest {
	struct buf body;
	size_t nr_rows; /* of those given, from the first on, that are in it, wholly or (one) in part */
	bool last; /* these rows are done when this is acknowledged; else the one row's progress is `done` */
	uint64_t done;
	size_t raw_bytes; /* of the profile, uncompressed */
	uint64_t samples, value_ns; /* in it */
	uint64_t samples_too_large; /* of it, left out: one alone is above the limit */
};

enum {
	UPLOADREQUEST_E_EMPTY = 1, /* there is nothing (more) to send of the first nr_rows rows */
	UPLOADREQUEST_E_UNREADABLE, /* the first row's bytes are damaged */
	UPLOADREQUEST_E_GONE, /* the first row was evicted meanwhile */
	UPLOADREQUEST_E_TOO_LARGE, /* no sample of the first row fits */
};

/*
 * rows: of one series, by time or not, nr > 0; one with progress stands alone. labels: as push_put_label() packed them.
 * Returns 0, an outcome, or a negative errno. ret is initialised in any case; deinit it.
 */
int uploadrequest_make(struct uploadrequest *ret, struct store *store, const struct store_row *rows,
		       size_t nr, const struct buf *labels,
		       const struct uploadrequest_limits *limits);
void uploadrequest_deinit(struct uploadrequest *request);
DEFINE_CLEANUP_EMBEDDED(struct uploadrequest, uploadrequest_deinit)

#endif
