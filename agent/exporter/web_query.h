/*
 * A question to the store, answered in steps: the loop stores windows in between, whatever range is asked for.
 *
 * A query reads windows one by one (store_scan_next()), so that nothing is locked, and begins anew (twice at most) when
 * a roll-up was written under it. What windows are "in" a range: those whose middle is in it, or that hold all of it; the
 * answer says which time they cover. Formats of the answers: web_api.h.
 */
#ifndef FLEETPROF_EXPORTER_WEB_QUERY_H
#define FLEETPROF_EXPORTER_WEB_QUERY_H

#include "agent/exporter/store.h"
#include "agent/exporter/web_params.h"

#define WEB_ANSWER_MAX (128u << 20) /* bytes */
#define WEB_MERGE_MAX (192u << 20) /* bytes of the profiles that one query merges */

enum web_query_kind {
	WEB_QUERY_OWNERS,
	WEB_QUERY_SERIES,
	WEB_QUERY_FLAME, /* of a span, or compared with a base */
	WEB_QUERY_PROFILE, /* pprof or folded stacks */
};

struct web_query;

int web_query_new(struct web_query **ret, struct store *store, enum web_query_kind kind,
		  const struct web_params *params);
struct web_query *web_query_free(struct web_query *q);
DEFINE_CLEANUP(struct web_query *, web_query_free)

/*
 * Works until about until_ns (CLOCK_MONOTONIC). 1: there is more to do, 0: the answer is there, or an error that
 * web_query_error() explains: -ENOSPC where the range holds more than may be merged.
 */
int web_query_step(struct web_query *q, uint64_t until_ns);

struct buf *web_query_answer(struct web_query *q);
const char *web_query_error(const struct web_query *q);

/* Merges profiles: memory of megabytes, so few at a time. */
bool web_query_is_heavy(const struct web_query *q);

#endif
