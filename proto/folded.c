/*
 * A profile as folded stacks: owner;comm;root;…;leaf COUNT.
 *
 * Lines are equal when their names are, whatever processes and addresses stand behind them; their counts add up.
 * Lines are sorted by their bytes, so that equal profiles give equal files and two files can be compared: a step's lines
 * are a run, sorted by itself; then all runs are merged by a heap of their first lines.
 */
#include "proto/folded.h"
#include "agent/base/intern.h"
#include "agent/base/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NAMES_MAX (2 * PROFILE_MAX_STRING_BYTES) /* escaping makes strings longer */

/* One line: indexes of names, root first. */
struct line {
	const uint32_t *names;
	size_t nr;
	uint64_t count;
};

struct run {
	struct line *lines;
	uint32_t *names; /* of all lines */
	size_t nr, nr_names;
	size_t next; /* that is not merged yet */
};

struct folded {
	const struct profile *profile;
	struct profile_view view;
	uint32_t owner;
	size_t next; /* sample */

	struct intern *names; /* escaped */
	struct buf escaped;
	uint32_t *first_name; /* of each location, into frame_names, + 1; 0: not looked at yet */
	uint32_t *frame_names;
	size_t nr_frame_names;

	struct run *runs; /* once all are there, a heap: the first has the least line */
	size_t nr_runs, runs_size;
	bool is_heap;
	struct line pending; /* equal ones may follow; without names: there is none */
};

static bool is_wanted(const struct profile_sample *s, uint32_t owner)
{
	return s->count && (owner == PROFILE_ALL_OWNERS || s->owner == owner);
}

static uint32_t frames_of(const struct profile_location *l)
{
	return MAX(l->nr_lines, 1u);
}

static int add_name(struct folded *f, const char *name, uint32_t *ret)
{
	int r;

	buf_reset(&f->escaped);
	r = text_for_folded(&f->escaped, name[0] ? name : "[unknown]");
	if (!r)
		r = intern_add(f->names, f->escaped.data, f->escaped.len, ret);
	return r > 0 ? -ENOSPC : r;
}

/* Names of a location's frames, outermost first. */
static int name_location(struct folded *f, uint32_t location)
{
	uint32_t nr = frames_of(&f->view.locations[location]);
	char tmp[PROFILE_MAX_NAME];
	int r = 0;

	if (f->first_name[location])
		return 0;
	f->first_name[location] = (uint32_t)f->nr_frame_names + 1;
	for (uint32_t i = nr; !r && i-- > 0;)
		r = add_name(f, profile_frame_name(f->profile, location, i, tmp),
			     &f->frame_names[f->nr_frame_names++]);
	return r;
}

static int add_line(struct folded *f, struct run *run, const struct profile_sample *s)
{
	uint32_t *names = run->names + run->nr_names;
	struct line *line = &run->lines[run->nr++];
	int r;

	*line = (struct line) { .names = names, .count = s->count };
	r = add_name(f, profile_string(f->profile, f->view.owners[s->owner].name),
		     &names[line->nr++]);
	for (uint32_t i = s->nr_locations; !r && i-- > 0;) {
		uint32_t l = f->view.stack_locations[s->first_location + i];
		uint32_t nr = frames_of(&f->view.locations[l]);

		r = name_location(f, l);
		memcpy(names + line->nr, f->frame_names + f->first_name[l] - 1,
		       nr * sizeof(*names));
		line->nr += nr;
	}
	run->nr_names += line->nr;
	return r;
}

/*
 * The order of the lines' bytes without making the lines: at the first name that differs, what follows the shorter
 * one is a separator, or the blank before the count.
 */
static int compare(const void *a, const void *b, void *userdata)
{
	const struct line *x = a, *y = b;
	struct intern *names = userdata;
	size_t i = 0, len_x, len_y;
	const char *name_x, *name_y;
	int r;

	while (i < x->nr && i < y->nr && x->names[i] == y->names[i])
		i++;
	if (i == x->nr || i == y->nr)
		return (x->nr > y->nr) - (x->nr < y->nr);
	name_x = intern_get(names, x->names[i], &len_x);
	name_y = intern_get(names, y->names[i], &len_y);
	r = memcmp(name_x, name_y, MIN(len_x, len_y));
	if (r)
		return r;
	if (len_x < len_y)
		return (i + 1 == x->nr ? ' ' : ';') - (unsigned char)name_y[len_x] ?: -1;
	return (unsigned char)name_x[len_y] - (i + 1 == y->nr ? ' ' : ';') ?: 1;
}

static bool equal(const struct line *a, const struct line *b)
{
	return a->nr == b->nr && !memcmp(a->names, b->names, a->nr * sizeof(*a->names));
}

/* Room for the wanted samples from the next on, up to end. */
static int make_run(struct folded *f, size_t end, struct run *ret)
{
	const struct profile_view *v = &f->view;
	size_t names = 0, lines = 0;

	for (size_t i = f->next; i < end; i++) {
		const struct profile_sample *s = &v->samples[i];

		if (!is_wanted(s, f->owner))
			continue;
		lines++;
		names++; /* the owner's */
		for (uint32_t j = 0; j < s->nr_locations; j++)
			names +=
				frames_of(&v->locations[v->stack_locations[s->first_location + j]]);
	}
	*ret = (struct run) { .lines = calloc(lines + 1, sizeof(*ret->lines)),
			      .names = calloc(names + 1, sizeof(*ret->names)) };
	return ret->lines && ret->names ? 0 : -ENOMEM;
}

static int grow_runs(struct folded *f)
{
	size_t size = MAX(2 * f->runs_size, (size_t)16);
	struct run *runs;

	if (f->nr_runs < f->runs_size)
		return 0;
	runs = reallocarray(f->runs, size, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	f->runs = runs;
	f->runs_size = size;
	return 0;
}

/* A run of up to nr samples: 1 if there are more. */
static int add_run(struct folded *f, size_t nr)
{
	size_t end = f->next + MIN(nr, f->view.nr_samples - f->next);
	struct run *run;
	int r = grow_runs(f);

	if (r < 0)
		return r;
	run = &f->runs[f->nr_runs++];
	r = make_run(f, end, run);
	for (; !r && f->next < end; f->next++) {
		if (is_wanted(&f->view.samples[f->next], f->owner))
			r = add_line(f, run, &f->view.samples[f->next]);
	}
	if (r < 0)
		return r;
	qsort_r(run->lines, run->nr, sizeof(*run->lines), compare, f->names);
	return f->next < f->view.nr_samples;
}

static bool is_before(const struct folded *f, const struct run *a, const struct run *b)
{
	if (a->next == a->nr || b->next == b->nr)
		return a->next != a->nr;
	return compare(&a->lines[a->next], &b->lines[b->next], f->names) < 0;
}

/* Lets the run at a place sink to where it belongs: runs that are empty go to the bottom. */
static void sink(struct folded *f, size_t place)
{
	for (size_t child; (child = 2 * place + 1) < f->nr_runs; place = child) {
		struct run run = f->runs[place];

		if (child + 1 < f->nr_runs && is_before(f, &f->runs[child + 1], &f->runs[child]))
			child++;
		if (!is_before(f, &f->runs[child], &run))
			return;
		f->runs[place] = f->runs[child];
		f->runs[child] = run;
	}
}

static void make_heap(struct folded *f)
{
	for (size_t i = f->nr_runs / 2; i-- > 0;)
		sink(f, i);
	f->is_heap = true;
}

static void write_pending(const struct folded *f, struct buf *out)
{
	const struct line *line = &f->pending;

	for (size_t i = 0; i < line->nr; i++) {
		size_t len;
		const char *name = intern_get(f->names, line->names[i], &len);

		if (i)
			buf_addc(out, ';');
		buf_add(out, name, len);
	}
	if (line->nr)
		buf_addf(out, " %" PRIu64 "\n", line->count);
}

/* Takes up to nr lines off the heap: 1 if there are more. */
static int write_lines(struct folded *f, size_t nr, struct buf *out)
{
	struct run *first = f->runs;

	for (; nr && first->next < first->nr; nr--) {
		const struct line *line = &first->lines[first->next++];

		if (equal(line, &f->pending)) {
			f->pending.count += line->count;
		} else {
			write_pending(f, out);
			f->pending = *line;
		}
		sink(f, 0);
	}
	if (first->next < first->nr)
		return out->error ?: 1;
	write_pending(f, out);
	return out->error;
}

int folded_step(struct folded *f, size_t nr, struct buf *out)
{
	int r;

	if (f->is_heap)
		return write_lines(f, nr, out);
	r = add_run(f, nr);
	if (r)
		return r;
	make_heap(f);
	return 1;
}

int folded_new(struct folded **ret, const struct profile *p, uint32_t owner)
{
	_cleanup_(folded_freep) struct folded *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->profile = p;
	f->owner = owner;
	profile_view(p, &f->view);
	f->first_name = calloc(f->view.nr_locations + 1, sizeof(*f->first_name));
	f->frame_names =
		calloc(f->view.nr_lines + f->view.nr_locations + 1, sizeof(*f->frame_names));
	if (!f->first_name || !f->frame_names)
		return -ENOMEM;
	buf_init(&f->escaped, 16 * PROFILE_MAX_NAME);
	r = intern_new(&f->names, NAMES_MAX);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(f);
	return 0;
}

struct folded *folded_free(struct folded *f)
{
	if (!f)
		return NULL;
	intern_free(f->names);
	buf_deinit(&f->escaped);
	free(f->first_name);
	free(f->frame_names);
	for (size_t i = 0; i < f->nr_runs; i++) {
		free(f->runs[i].lines);
		free(f->runs[i].names);
	}
	free(f->runs);
	free(f);
	return NULL;
}

int folded_write(const struct profile *p, uint32_t owner, struct buf *out)
{
	_cleanup_(folded_freep) struct folded *f = NULL;
	int r = folded_new(&f, p, owner);

	if (r < 0)
		return r;
	do
		r = folded_step(f, SIZE_MAX, out);
	while (r > 0);
	return r;
}
