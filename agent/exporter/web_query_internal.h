/* What the kinds of queries share. */
#ifndef FLEETPROF_EXPORTER_WEB_QUERY_INTERNAL_H
#define FLEETPROF_EXPORTER_WEB_QUERY_INTERNAL_H

#include "agent/base/clock.h"
#include "agent/exporter/web_query.h"

#define WEB_SIDES 2 /* the span, the base */

/* What a span's windows say of themselves. */
struct web_coverage {
	uint64_t start_ns, end_ns; /* first start, last end; 0: no window */
	uint64_t covered_ns; /* of them, without gaps */
	uint64_t windows;
	struct winwire_header header; /* of the newest; its losses are those of all */
};

struct web_query_ops {
	int (*begin)(struct web_query *q);
	void (*end)(struct web_query
			    *q); /* frees what begin() and the rest made; may be called twice */
	store_point_fn on_point; /* userdata is the query */
	/* A window is complete: its header and end. May be NULL. */
	int (*on_window)(struct web_query *q, const struct winwire_header *header, uint64_t end_ns);
	/* What the points of a window left to do: 1: more, 0: none. May be NULL. */
	int (*work)(struct web_query *q);
	/* Behind the last window, until it returns 0: writes the answer. */
	int (*finish)(struct web_query *q);
};

struct web_query {
	struct store *store;
	enum web_query_kind kind;
	struct web_params params;
	const struct web_query_ops *ops;
	struct store_scan scan;
	struct winwire_header header; /* of the window under way */
	struct web_coverage coverage[WEB_SIDES];
	size_t side; /* that is scanned */
	bool scanned, ended;
	unsigned int restarts;
	uint64_t gone, unreadable; /* rows that vanished, or were damaged */
	struct buf out;
	struct err err;
	void *data; /* the kind's own */
};

static inline uint64_t web_ms(uint64_t ns)
{
	return ns / NSEC_PER_MSEC;
}

const struct web_span *web_query_span(const struct web_query *q);

/* Whether a window is in a span: see web_query.h. */
bool web_span_has(const struct web_span *span, uint64_t start_ns, uint64_t end_ns);

/* Samples that are not in any profile ("missed", "lost: …"), as against the other lines of the loss equation. */
uint64_t web_losses(const struct winwire_header *header);

/* "from_ms": … of the query, without braces; each line of it as web_api.h tells. */
int web_write_coverage(struct web_query *q, struct buf *out);

/* "id":1,"name":"…", … of an owner; one that is gone has an empty name. */
int web_write_owner(struct web_query *q, int64_t id, struct buf *out);

extern const struct web_query_ops web_owners_ops, web_series_ops, web_profile_ops;

#endif
