/* Writes compact profiles. */
#include "proto/compact.h"
#include "proto/compact_format.h"
#include "proto/varint.h"

#include <errno.h>
#include <libdeflate.h>
#include <string.h>

/* Numbers a table's entries in the order of first use. */
struct renumber {
	uint32_t *number; /* by the profile's index: number + 1, or 0 */
	uint32_t *order; /* the profile's indexes in order of first use */
	uint32_t used;
};

struct compact_encoder {
	const struct profile *profile;
	struct profile_view view;
	struct libdeflate_compressor *deflate;
	uint32_t *by_owner; /* sample indexes, grouped by owner */
	size_t *owner_start; /* nr_owners + 1 */
	struct renumber strings, mappings, functions, locations, processes;
	struct buf sections[COMPACT_SECTIONS], payload;
	size_t max_string; /* entries of strings.number */
};

static int renumber_init(struct renumber *n, size_t nr)
{
	n->number = calloc(nr + 1, sizeof(*n->number));
	n->order = calloc(nr + 1, sizeof(*n->order));
	return n->number && n->order ? 0 : -ENOMEM;
}

static void renumber_deinit(struct renumber *n)
{
	free(n->number);
	free(n->order);
}

static void renumber_reset(struct renumber *n)
{
	while (n->used)
		n->number[n->order[--n->used]] = 0;
}

/* Writes a reference: 0 for an entry never seen (true is returned), else its distance back. */
static bool put_ref(struct buf *b, struct renumber *n, uint32_t index)
{
	if (n->number[index]) {
		varint_put(b, n->used - (n->number[index] - 1));
		return false;
	}
	varint_put(b, 0);
	n->order[n->used++] = index;
	n->number[index] = n->used;
	return true;
}

static uint32_t count_strings(const struct profile_view *v)
{
	uint32_t max = 0;

#define LARGEST(s) (max = MAX(max, (s)))
	for (size_t i = 0; i < v->nr_mappings; i++)
		LARGEST(MAX(v->mappings[i].file, v->mappings[i].build_id));
	for (size_t i = 0; i < v->nr_functions; i++)
		LARGEST(MAX(MAX(v->functions[i].name, v->functions[i].system_name),
			    v->functions[i].file));
	for (size_t i = 0; i < v->nr_processes; i++)
		LARGEST(v->processes[i].comm);
	for (size_t i = 0; i < v->nr_samples; i++)
		LARGEST(v->samples[i].thread_comm);
#undef LARGEST
	return max + 1;
}

static int group_by_owner(struct compact_encoder *e)
{
	const struct profile_view *v = &e->view;

	e->by_owner = calloc(v->nr_samples + 1, sizeof(*e->by_owner));
	e->owner_start = calloc(v->nr_owners + 2, sizeof(*e->owner_start));
	if (!e->by_owner || !e->owner_start)
		return -ENOMEM;
	/* counted one place up, so that the second pass leaves each start behind */
	for (size_t i = 0; i < v->nr_samples; i++)
		e->owner_start[v->samples[i].owner + 2]++;
	for (size_t i = 2; i < v->nr_owners + 2; i++)
		e->owner_start[i] += e->owner_start[i - 1];
	for (size_t i = 0; i < v->nr_samples; i++)
		e->by_owner[e->owner_start[v->samples[i].owner + 1]++] = (uint32_t)i;
	return 0;
}

int compact_encoder_new(struct compact_encoder **ret, const struct profile *p)
{
	_cleanup_(compact_encoder_freep) struct compact_encoder *e = calloc(1, sizeof(*e));
	int r = 0;

	if (!e)
		return -ENOMEM;
	e->profile = p;
	profile_view(p, &e->view);
	for (size_t i = 0; i < COMPACT_SECTIONS; i++)
		buf_init(&e->sections[i], COMPACT_MAX_PAYLOAD);
	buf_init(&e->payload, COMPACT_MAX_PAYLOAD);
	e->deflate = libdeflate_alloc_compressor(COMPACT_DEFLATE_LEVEL);
	if (!e->deflate)
		return -ENOMEM;
	r = r ?: renumber_init(&e->strings, count_strings(&e->view));
	r = r ?: renumber_init(&e->mappings, e->view.nr_mappings);
	r = r ?: renumber_init(&e->functions, e->view.nr_functions);
	r = r ?: renumber_init(&e->locations, e->view.nr_locations);
	r = r ?: renumber_init(&e->processes, e->view.nr_processes);
	r = r ?: group_by_owner(e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(e);
	return 0;
}

struct compact_encoder *compact_encoder_free(struct compact_encoder *e)
{
	if (!e)
		return NULL;
	renumber_deinit(&e->strings);
	renumber_deinit(&e->mappings);
	renumber_deinit(&e->functions);
	renumber_deinit(&e->locations);
	renumber_deinit(&e->processes);
	for (size_t i = 0; i < COMPACT_SECTIONS; i++)
		buf_deinit(&e->sections[i]);
	buf_deinit(&e->payload);
	libdeflate_free_compressor(e->deflate);
	free(e->by_owner);
	free(e->owner_start);
	free(e);
	return NULL;
}

/* Root first, frame by frame; then by process and thread, so that equal stacks stand together. */
static int compare_samples(const void *a, const void *b, void *view)
{
	const struct profile_view *v = view;
	const struct profile_sample *x = &v->samples[*(const uint32_t *)a];
	const struct profile_sample *y = &v->samples[*(const uint32_t *)b];
	const uint32_t *xs = v->stack_locations + x->first_location;
	const uint32_t *ys = v->stack_locations + y->first_location;
	uint32_t i = x->nr_locations, j = y->nr_locations;

	while (i && j && xs[i - 1] == ys[j - 1])
		i--, j--;
	if (i && j)
		return xs[i - 1] < ys[j - 1] ? -1 : 1;
	if (i || j)
		return i ? 1 : -1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return (x->thread_comm > y->thread_comm) - (x->thread_comm < y->thread_comm);
}

static void put_string(struct compact_encoder *e, struct buf *b, uint32_t string)
{
	const char *s;

	if (!put_ref(b, &e->strings, string))
		return;
	s = profile_string(e->profile, string);
	buf_add(&e->sections[COMPACT_STRINGS], s, strlen(s) + 1);
}

static void put_mapping(struct compact_encoder *e, uint32_t index)
{
	const struct profile_mapping *m = &e->view.mappings[index];
	struct buf *b = &e->sections[COMPACT_MAPPINGS];

	put_string(e, b, m->file);
	put_string(e, b, m->build_id);
	varint_put(b, (m->has_functions ? COMPACT_HAS_FUNCTIONS : 0u) |
			      (m->has_filenames ? COMPACT_HAS_FILENAMES : 0u) |
			      (m->has_line_numbers ? COMPACT_HAS_LINE_NUMBERS : 0u) |
			      (m->has_inline_frames ? COMPACT_HAS_INLINE_FRAMES : 0u));
}

static void put_function(struct compact_encoder *e, uint32_t index)
{
	const struct profile_function *f = &e->view.functions[index];
	struct buf *b = &e->sections[COMPACT_FUNCTIONS];

	put_string(e, b, f->name);
	put_string(e, b, f->system_name);
	put_string(e, b, f->file);
	varint_put(b, f->start_line);
}

static void put_location(struct compact_encoder *e, uint32_t index)
{
	const struct profile_location *l = &e->view.locations[index];
	struct buf *b = &e->sections[COMPACT_LOCATIONS];

	varint_put(b, ((uint64_t)l->nr_lines << 4) | ((uint64_t)l->kind << 1) |
			      (l->mapping != UINT32_MAX));
	if (l->mapping != UINT32_MAX && put_ref(b, &e->mappings, l->mapping))
		put_mapping(e, l->mapping);
	varint_put(b, l->address);
	for (uint32_t i = 0; i < l->nr_lines; i++) {
		const struct profile_line *line = &e->view.lines[l->first_line + i];
		int64_t start = e->view.functions[line->function].start_line;

		if (put_ref(b, &e->functions, line->function))
			put_function(e, line->function);
		varint_put_signed(b, (int64_t)line->line - start);
		varint_put(b, line->column);
	}
}

static void put_process(struct compact_encoder *e, uint32_t index)
{
	const struct profile_process *p = &e->view.processes[index];
	struct buf *b = &e->sections[COMPACT_PROCESSES];

	varint_put(b, p->tgid);
	varint_put(b, p->start_boot_ns);
	put_string(e, b, p->comm);
}

static uint32_t shared_frames(const struct profile_view *v, const struct profile_sample *x,
			      const struct profile_sample *y)
{
	const uint32_t *xs = v->stack_locations + x->first_location + x->nr_locations;
	const uint32_t *ys = v->stack_locations + y->first_location + y->nr_locations;
	uint32_t max = MIN(x->nr_locations, y->nr_locations), n = 0;

	while (n < max && xs[-1 - (int64_t)n] == ys[-1 - (int64_t)n])
		n++;
	return n;
}

static void put_sample(struct compact_encoder *e, const struct profile_sample *before,
		       const struct profile_sample *s)
{
	struct buf *b = &e->sections[COMPACT_SAMPLES];
	uint64_t period = e->view.meta->period_ns;
	uint32_t shared = before ? shared_frames(&e->view, before, s) : 0;
	const uint32_t *stack = e->view.stack_locations + s->first_location;

	varint_put(b, shared);
	varint_put(b, s->nr_locations - shared);
	for (uint32_t i = s->nr_locations - shared; i > 0; i--) {
		if (put_ref(b, &e->locations, stack[i - 1]))
			put_location(e, stack[i - 1]);
	}
	if (put_ref(b, &e->processes, s->process))
		put_process(e, s->process);
	put_string(e, b, s->thread_comm);
	varint_put(b, s->count << 1 | s->complete);
	varint_put_signed(b, (int64_t)(s->value_ns - s->count * period));
}

/* Puts the sections behind each other, and deflates them. */
static int finish(struct compact_encoder *e, size_t nr_samples, struct buf *out)
{
	const size_t counts[COMPACT_SECTIONS] = {
		[COMPACT_STRINGS] = e->strings.used,     [COMPACT_MAPPINGS] = e->mappings.used,
		[COMPACT_FUNCTIONS] = e->functions.used, [COMPACT_LOCATIONS] = e->locations.used,
		[COMPACT_PROCESSES] = e->processes.used, [COMPACT_SAMPLES] = nr_samples,
	};
	struct buf *payload = &e->payload;
	size_t bound, len;
	char *to;

	varint_put(payload, e->view.meta->period_ns);
	for (size_t i = 0; i < COMPACT_SECTIONS; i++) {
		if (e->sections[i].error)
			return e->sections[i].error;
		varint_put(payload, counts[i]);
		varint_put_bytes(payload, e->sections[i].data, e->sections[i].len);
	}
	if (payload->error)
		return payload->error;
	buf_add(out, COMPACT_MAGIC, strlen(COMPACT_MAGIC));
	varint_put(out, payload->len);
	bound = libdeflate_deflate_compress_bound(e->deflate, payload->len);
	to = buf_grow(out, bound);
	if (!to)
		return out->error;
	len = libdeflate_deflate_compress(e->deflate, payload->data, payload->len, to, bound);
	out->len -= bound - len;
	out->data[out->len] = '\0';
	return 0;
}

int compact_encode(struct compact_encoder *e, uint32_t owner, struct buf *out)
{
	uint32_t *samples = e->by_owner + e->owner_start[owner];
	size_t nr = e->owner_start[owner + 1] - e->owner_start[owner];
	const struct profile_sample *before = NULL;

	renumber_reset(&e->strings);
	renumber_reset(&e->mappings);
	renumber_reset(&e->functions);
	renumber_reset(&e->locations);
	renumber_reset(&e->processes);
	for (size_t i = 0; i < COMPACT_SECTIONS; i++)
		buf_reset(&e->sections[i]);
	buf_reset(&e->payload);
	qsort_r(samples, nr, sizeof(*samples), compare_samples, &e->view);
	for (size_t i = 0; i < nr; i++) {
		const struct profile_sample *s = &e->view.samples[samples[i]];

		put_sample(e, before, s);
		before = s;
	}
	return finish(e, nr, out);
}
