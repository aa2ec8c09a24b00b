/* Rows become the body of a push request. */
#include "agent/exporter/upload_request.h"
#include "proto/compact.h"
#include "proto/gzip.h"
#include "proto/pprof.h"
#include "proto/push.h"

#include <errno.h>
#include <string.h>

#define MAX_DEPTH 1000 /* Pyroscope's; it would cut the leaf's side */
#define PACKED_MAX (64u << 20)

void uploadrequest_deinit(struct uploadrequest *request)
{
	buf_deinit(&request->body);
}

static int new_profile(struct profile **ret)
{
	const struct profile_owner nameless = { .name = 0 };
	_cleanup_(profile_freep) struct profile *p = NULL;
	uint32_t owner;
	int r = profile_new(&p);

	r = r ?: profile_add_owner(p, &nameless, &owner);
	if (r == 0)
		*ret = TAKE_PTR(p);
	return r;
}

/* Adds a row's samples to p. */
static int add_row(struct store *store, const struct store_row *row, struct profile *p)
{
	_cleanup_(buf_deinitp) struct buf data = BUF_NULL;
	int r;

	buf_init(&data, COMPACT_MAX_PAYLOAD);
	r = store_profile(store, row->profile, &data);
	if (r)
		return r < 0 ? r : UPLOADREQUEST_E_GONE;
	r = compact_decode(data.data, data.len, p, 0, COMPACT_STACKS);
	return r == -EBADMSG || r == -ENOSPC ? UPLOADREQUEST_E_UNREADABLE : r;
}

static void set_times(struct profile *p, const struct store_row *rows, size_t nr)
{
	struct profile_meta *meta = profile_meta(p);
	uint64_t start = UINT64_MAX, end = 0;

	for (size_t i = 0; i < nr; i++) {
		start = MIN(start, rows[i].start_ns);
		end = MAX(end, rows[i].end_ns);
	}
	meta->time_wall_ns = start;
	meta->duration_ns = end - start ?: 1;
	meta->period_ns =
		rows[0].period_ns; /* the values are in nanoseconds, whatever the rate was */
	snprintf(meta->version, sizeof(meta->version), "%s", FLEETPROF_VERSION);
}

static size_t nr_samples(const struct profile *p)
{
	struct profile_view v;

	profile_view(p, &v);
	return v.nr_samples;
}

/*
 * Decodes rows into one profile: the first, and further ones while the result may still be within the limit. Another
 * one's trouble is left for its own turn.
 */
static int merge_rows(struct store *store, const struct store_row *rows, size_t nr,
		      uint32_t max_samples, struct profile **ret, size_t *ret_nr)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	size_t i;
	int r = new_profile(&p);

	r = r ?: add_row(store, &rows[0], p);
	for (i = 1; i < nr && r == 0 && nr_samples(p) < max_samples; i++) {
		r = add_row(store, &rows[i], p);
		if (r <= 0)
			continue;
		p = profile_free(p); /* it may hold half of the bad row */
		return merge_rows(store, rows, i, max_samples, ret, ret_nr);
	}
	if (r)
		return r;
	set_times(p, rows, i);
	*ret = TAKE_PTR(p);
	*ret_nr = i;
	return 0;
}

static void count_samples(const struct profile *p, size_t first, size_t nr,
			  struct uploadrequest *request)
{
	struct profile_view v;

	profile_view(p, &v);
	request->samples = request->value_ns = 0;
	for (size_t i = first; i < MIN(first + nr, v.nr_samples); i++) {
		request->samples += v.samples[i].count;
		request->value_ns += v.samples[i].value_ns;
	}
}

/*
 * Packs samples from first on, at most nr; halves nr until it fits. 0: *ret_nr samples are in raw;
 * UPLOADREQUEST_E_TOO_LARGE: not even one.
 */
static int pack_fitting(const struct profile *p, size_t first, size_t nr, uint32_t max_bytes,
			struct buf *raw, size_t *ret_nr)
{
	while (nr) {
		const struct pprof_part part = { .owner = 0,
						 .first_sample = first,
						 .nr_samples = nr,
						 .max_depth = MAX_DEPTH,
						 .without_labels = true };
		int r;

		buf_reset(raw);
		r = pprof_pack(p, &part, raw);
		if (r < 0 && r != -ENOSPC)
			return r;
		if (r == 0 && raw->len <= max_bytes) {
			*ret_nr = nr;
			return 0;
		}
		nr /= 2;
	}
	return UPLOADREQUEST_E_TOO_LARGE;
}

static int finish_body(struct uploadrequest *request, const struct buf *raw,
		       const struct buf *labels)
{
	_cleanup_(buf_deinitp) struct buf packed = BUF_NULL;
	int r;

	buf_init(&packed, UPLOADREQUEST_BODY_MAX);
	request->raw_bytes = raw->len;
	r = gzip_compress(raw->data, raw->len, &packed);
	if (r < 0)
		return r;
	push_put_request(&request->body, labels, &packed);
	return request->body.error;
}

/* The next part of one row: from where it stands, past samples that fit nowhere. */
static int make_part(struct uploadrequest *request, const struct profile *p, uint64_t first,
		     const struct uploadrequest_limits *limits, struct buf *raw)
{
	size_t nr = nr_samples(p), in = 0;
	int r = UPLOADREQUEST_E_TOO_LARGE;

	for (; first < nr; first++) {
		r = pack_fitting(p, first, MIN(nr - first, limits->max_samples), limits->max_bytes,
				 raw, &in);
		if (r != UPLOADREQUEST_E_TOO_LARGE)
			break;
		request->samples_too_large++;
	}
	if (r)
		return first == nr && request->samples_too_large < nr && r > 0
			       ? UPLOADREQUEST_E_EMPTY
			       : r;
	count_samples(p, first, in, request);
	request->done = first + in;
	request->last = request->done >= nr;
	return 0;
}

int uploadrequest_make(struct uploadrequest *ret, struct store *store, const struct store_row *rows,
		       size_t nr, const struct buf *labels,
		       const struct uploadrequest_limits *limits)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_(buf_deinitp) struct buf raw = BUF_NULL;
	size_t in;
	int r;

	*ret = (struct uploadrequest) { .nr_rows = 1 };
	buf_init(&ret->body, UPLOADREQUEST_BODY_MAX);
	buf_init(&raw, PACKED_MAX);
	r = merge_rows(store, rows, nr, limits->max_samples, &p, &ret->nr_rows);
	if (r)
		return r;
	while (ret->nr_rows > 1) { /* merged rows go whole, or fewer of them */
		count_samples(p, 0, nr_samples(p), ret);
		in = 0;
		if (nr_samples(p) <= limits->max_samples)
			r = pack_fitting(p, 0, nr_samples(p), limits->max_bytes, &raw, &in);
		if (r < 0 || (in && in == nr_samples(p)))
			break;
		p = profile_free(p);
		r = merge_rows(store, rows, ret->nr_rows / 2, limits->max_samples, &p,
			       &ret->nr_rows);
		if (r)
			return r;
	}
	if (ret->nr_rows == 1)
		r = make_part(ret, p, rows[0].done, limits, &raw);
	else
		ret->last = true;
	if (r)
		return r;
	if (!ret->samples && !ret->value_ns)
		return UPLOADREQUEST_E_EMPTY;
	return finish_body(ret, &raw, labels);
}
