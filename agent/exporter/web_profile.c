/* The profiles of a range merged: as a flame graph, alone or beside a base, as pprof, as folded stacks. */
#include "agent/base/clock.h"
#include "agent/base/hashmap.h"
#include "agent/exporter/web_query_internal.h"
#include "proto/compact.h"
#include "proto/flamegraph.h"
#include "proto/folded.h"
#include "proto/gzip_stream.h"
#include "proto/pprof.h"

#include <errno.h>
#include <string.h>

#define SAMPLES_PER_STEP 2000 /* a millisecond or so */
#define ENTRIES_PER_STEP 8000 /* of the flame graph: the same */
#define PPROF_PER_STEP 500 /* as long, since what becomes of them is compressed, too */
#define PIECE_MAX                                                                                  \
	(64u                                                                                       \
	 << 20) /* bytes of a step's pprof: a few dozen KiB, but stacks may be deep and names long */
#define OWNERS_MAX 20000 /* of one answer; what more there are have no name of their own */
#define FINE_NS                                                                                    \
	(3600 * NSEC_PER_SEC) /* up to here a pprof file tells processes and addresses apart */

struct row {
	int64_t owner, profile;
};

struct merge {
	struct profile *profiles[WEB_SIDES];
	struct hashmap *owner_of[WEB_SIDES]; /* the store's → the profile's */
	struct row *rows; /* of the window under way */
	size_t nr_rows, rows_size, next;
	struct compact_decoder *decoder; /* of the row under way */
	struct buf data;
	/* What becomes of the merged profiles: one of these. */
	struct flamegraph *graph;
	struct folded *folded;
	struct pprof *pprof;
	struct gzip_stream *gzip; /* of its pieces */
	struct buf piece;
};

static void merge_end(struct web_query *q)
{
	struct merge *m = q->data;

	if (!m)
		return;
	flamegraph_free(m->graph);
	folded_free(m->folded);
	pprof_free(m->pprof);
	gzip_stream_free(m->gzip);
	buf_deinit(&m->piece);
	compact_decoder_free(m->decoder);
	for (size_t i = 0; i < WEB_SIDES; i++) {
		profile_free(m->profiles[i]);
		hashmap_free(m->owner_of[i]);
	}
	free(m->rows);
	buf_deinit(&m->data);
	free(m);
	q->data = NULL;
}

static int merge_begin(struct web_query *q)
{
	struct merge *m = q->data = calloc(1, sizeof(*m));
	int r = m ? 0 : -ENOMEM;

	for (size_t i = 0; i < WEB_SIDES && r == 0; i++) {
		r = profile_new(&m->profiles[i]);
		r = r
			    ?: hashmap_new(&m->owner_of[i], sizeof(int64_t), sizeof(uint32_t),
					   OWNERS_MAX);
	}
	if (r == 0)
		buf_init(&m->data, COMPACT_MAX_PAYLOAD);
	return r;
}

static int merge_on_point(const struct store_point *p, void *userdata)
{
	struct web_query *q = userdata;
	struct merge *m = q->data;

	if (!web_span_has(web_query_span(q), p->start_ns, p->start_ns + p->duration_ns))
		return 0;
	if (m->nr_rows == m->rows_size) {
		size_t size = MAX(2 * m->rows_size, (size_t)64);
		struct row *rows = reallocarray(m->rows, size, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		m->rows = rows;
		m->rows_size = size;
	}
	m->rows[m->nr_rows++] = (struct row) { .owner = p->owner, .profile = p->profile };
	return 0;
}

static int add_owner(struct web_query *q, int64_t id, uint32_t *ret)
{
	_cleanup_(store_owner_deinitp) struct store_owner o = { .id = id };
	struct merge *m = q->data;
	struct profile *p = m->profiles[q->side];
	struct profile_owner owner;
	int r = store_owner(q->store, id, &o);

	if (r < 0)
		return r;
	r = profile_add_string(p, o.name ?: "", &owner.name);
	r = r ?: profile_add_string(p, o.container_id ?: "", &owner.id);
	r = r ?: profile_add_string(p, o.runtime ?: "", &owner.runtime);
	r = r ?: profile_add_string(p, o.image ?: "", &owner.image);
	r = r ?: profile_add_string(p, o.cgroup_path ?: "", &owner.cgroup_path);
	return r ?: profile_add_owner(p, &owner, ret);
}

static int find_owner(struct web_query *q, int64_t id, uint32_t *ret)
{
	struct merge *m = q->data;
	void *slot;
	bool is_new;
	int r = hashmap_put(m->owner_of[q->side], &id, &slot, &is_new);

	if (r == HASHMAP_E_FULL)
		return add_owner(q, 0, ret); /* nobody's id: an owner without a name */
	if (r == 0 && is_new) {
		r = add_owner(q, id, slot);
		if (r < 0)
			hashmap_remove(m->owner_of[q->side], &id);
	}
	if (r == 0)
		*ret = *(uint32_t *)slot;
	return r;
}

/* About what a profile takes, whose tables are known to the caller only. */
static size_t size_of(const struct profile *p)
{
	struct profile_view v;

	profile_view(p, &v);
	return v.nr_samples * 2 * sizeof(struct profile_sample) + v.nr_stack_locations * 4 +
	       v.nr_locations * 2 * sizeof(struct profile_location) +
	       v.nr_lines * sizeof(struct profile_line) +
	       v.nr_functions * 3 * sizeof(struct profile_function) + v.nr_strings * 64;
}

static int too_much(struct web_query *q)
{
	return err_set(
		&q->err, -ENOSPC,
		"more stacks than can be merged at once: choose a shorter range, or one owner");
}

static unsigned int flags_of(const struct web_query *q)
{
	const struct web_span *span = web_query_span(q);
	bool fine = q->kind == WEB_QUERY_PROFILE && q->params.format == WEB_FORMAT_PPROF &&
		    span->to_ns - span->from_ns <= FINE_NS;

	return fine ? 0 : COMPACT_COARSE;
}

/* Begins the next row: 1 with a decoder, or without one where the row is gone or damaged (and counted). */
static int begin_row(struct web_query *q)
{
	struct merge *m = q->data;
	const struct row *row = &m->rows[m->next++];
	uint32_t owner;
	int r;

	if (size_of(m->profiles[0]) + size_of(m->profiles[1]) > WEB_MERGE_MAX)
		return too_much(q);
	buf_reset(&m->data);
	r = store_profile(q->store, row->profile, &m->data);
	if (r == STORE_E_GONE) {
		q->gone++;
		return 1;
	}
	r = r ?: find_owner(q, row->owner, &owner);
	r = r
		    ?: compact_decoder_new(&m->decoder, m->data.data, m->data.len,
					   m->profiles[q->side], owner, flags_of(q));
	if (r == -EBADMSG) {
		q->unreadable++;
		return 1;
	}
	return r < 0 ? r : 1;
}

static int merge_work(struct web_query *q)
{
	struct merge *m = q->data;
	int r;

	if (!m->decoder) {
		if (m->next < m->nr_rows)
			return begin_row(q);
		m->next = m->nr_rows = 0;
		return 0;
	}
	r = compact_decoder_step(m->decoder, SAMPLES_PER_STEP);
	if (r > 0)
		return 1;
	m->decoder = compact_decoder_free(m->decoder);
	if (r == -ENOSPC)
		return too_much(q);
	if (r == -EBADMSG)
		q->unreadable++;
	else if (r < 0)
		return r;
	return 1;
}

static void fill_meta(struct web_query *q, size_t side)
{
	const struct web_coverage *c = &q->coverage[side];
	struct profile_meta *meta = profile_meta(((struct merge *)q->data)->profiles[side]);

	_Static_assert(ARRAY_SIZE(meta->losses) >= WINWIRE_MAX_LOSSES, "each has a place");
	meta->time_wall_ns = c->start_ns;
	meta->duration_ns = c->covered_ns;
	meta->period_ns = c->header.period_ns;
	meta->rate_hz = c->header.rate_hz;
	meta->nr_cpus = c->header.nr_cpus;
	memcpy(meta->host, c->header.host, sizeof(meta->host));
	memcpy(meta->kernel, c->header.kernel, sizeof(meta->kernel));
	memcpy(meta->version, c->header.version, sizeof(meta->version));
	meta->nr_losses = c->header.nr_losses;
	for (size_t i = 0; i < c->header.nr_losses; i++)
		meta->losses[i] = (struct profile_loss) { c->header.losses[i].name,
							  c->header.losses[i].count };
}

static int begin_graph(struct web_query *q)
{
	const bool compared = q->params.given & WEB_PARAM_BASE;
	struct merge *m = q->data;
	struct flamegraph_config config = {
		.profile = m->profiles[0],
		.base = compared ? m->profiles[1] : NULL,
		.owner = PROFILE_ALL_OWNERS,
		/* two owners are compared by what they run, and one owner needs no box of its own */
		.without_owners = compared && q->params.span.owner != q->params.base.owner,
		.max_nodes = q->params.nodes,
		.title = "",
	};

	return flamegraph_new(&m->graph, &config);
}

/* {…coverage…,"flame":{…}} */
static int finish_flame(struct web_query *q)
{
	struct merge *m = q->data;
	int r;

	if (!m->graph) {
		fill_meta(q, 0);
		fill_meta(q, 1);
		buf_addc(&q->out, '{');
		r = web_write_coverage(q, &q->out);
		buf_adds(&q->out, ",\"flame\":");
		r = r ?: begin_graph(q);
		return r < 0 ? r : 1;
	}
	r = flamegraph_step(m->graph, ENTRIES_PER_STEP, &q->out);
	if (r)
		return r;
	buf_addc(&q->out, '}');
	return q->out.error;
}

static int finish_folded(struct web_query *q)
{
	struct merge *m = q->data;
	int r;

	if (m->folded)
		return folded_step(m->folded, SAMPLES_PER_STEP, &q->out);
	r = folded_new(&m->folded, m->profiles[0], PROFILE_ALL_OWNERS);
	return r < 0 ? r : 1;
}

static int begin_pprof(struct web_query *q)
{
	const struct pprof_part all = { .owner = PROFILE_ALL_OWNERS, .nr_samples = SIZE_MAX };
	struct merge *m = q->data;
	int r;

	fill_meta(q, 0);
	buf_init(&m->piece, PIECE_MAX);
	r = gzip_stream_new(&m->gzip);
	r = r ?: pprof_new(&m->pprof, m->profiles[0], &all);
	return r < 0 ? r : 1;
}

static int finish_pprof(struct web_query *q)
{
	struct merge *m = q->data;
	int more, r;

	if (!m->pprof)
		return begin_pprof(q);
	buf_reset(&m->piece);
	more = pprof_step(m->pprof, PPROF_PER_STEP, &m->piece);
	if (more < 0)
		return more;
	r = gzip_stream_add(m->gzip, m->piece.data, m->piece.len, &q->out);
	if (r < 0 || more)
		return r ?: more;
	return gzip_stream_finish(m->gzip, &q->out);
}

static int merge_finish(struct web_query *q)
{
	int r;

	if (q->kind == WEB_QUERY_FLAME)
		r = finish_flame(q);
	else if (q->params.format == WEB_FORMAT_PPROF)
		r = finish_pprof(q);
	else
		r = finish_folded(q);
	return r == -ENOSPC ? too_much(q) : r;
}

const struct web_query_ops web_profile_ops = {
	.begin = merge_begin,
	.end = merge_end,
	.on_point = merge_on_point,
	.work = merge_work,
	.finish = merge_finish,
};
