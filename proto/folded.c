/*
 * A profile as folded stacks: owner;comm;root;…;leaf COUNT.
 *
 * Lines are equal when their names are, whatever processes and addresses stand behind them; their counts add up.
 * Lines are sorted by their bytes, so that equal profiles give equal files and two files can be compared.
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

struct folded {
	const struct profile *profile;
	struct profile_view view;
	struct intern *names; /* escaped */
	struct buf escaped;
	uint32_t
		*first_name; /* of each location, into frame_names; UINT32_MAX: not looked at yet */
	uint32_t *frame_names, *line_names;
	struct line *lines;
	size_t nr_frame_names, nr_line_names, nr_lines;
};

static void folded_deinit(struct folded *f)
{
	intern_free(f->names);
	buf_deinit(&f->escaped);
	free(f->first_name);
	free(f->frame_names);
	free(f->line_names);
	free(f->lines);
}
DEFINE_CLEANUP_EMBEDDED(struct folded, folded_deinit)

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

	if (f->first_name[location] != UINT32_MAX)
		return 0;
	f->first_name[location] = (uint32_t)f->nr_frame_names;
	for (uint32_t i = nr; !r && i-- > 0;)
		r = add_name(f, profile_frame_name(f->profile, location, i, tmp),
			     &f->frame_names[f->nr_frame_names++]);
	return r;
}

static int add_line(struct folded *f, const struct profile_sample *s)
{
	uint32_t *names = f->line_names + f->nr_line_names;
	struct line *line = &f->lines[f->nr_lines++];
	int r;

	*line = (struct line) { .names = names, .count = s->count };
	r = add_name(f, profile_string(f->profile, f->view.owners[s->owner].name),
		     &names[line->nr++]);
	for (uint32_t i = s->nr_locations; !r && i-- > 0;) {
		uint32_t l = f->view.stack_locations[s->first_location + i];
		uint32_t nr = frames_of(&f->view.locations[l]);

		r = name_location(f, l);
		memcpy(names + line->nr, f->frame_names + f->first_name[l], nr * sizeof(*names));
		line->nr += nr;
	}
	f->nr_line_names += line->nr;
	return r;
}

/* Makes room for what the wanted samples will take. */
static int prepare(struct folded *f, uint32_t owner)
{
	const struct profile_view *v = &f->view;
	size_t frames = 0, names = 0, lines = 0;

	for (size_t i = 0; i < v->nr_locations; i++)
		frames += frames_of(&v->locations[i]);
	for (size_t i = 0; i < v->nr_samples; i++) {
		const struct profile_sample *s = &v->samples[i];

		if (!is_wanted(s, owner))
			continue;
		lines++;
		names++;
		for (uint32_t j = 0; j < s->nr_locations; j++)
			names +=
				frames_of(&v->locations[v->stack_locations[s->first_location + j]]);
	}
	f->first_name = malloc((v->nr_locations + 1) * sizeof(*f->first_name));
	f->frame_names = calloc(frames + 1, sizeof(*f->frame_names));
	f->line_names = calloc(names + 1, sizeof(*f->line_names));
	f->lines = calloc(lines + 1, sizeof(*f->lines));
	if (!f->first_name || !f->frame_names || !f->line_names || !f->lines)
		return -ENOMEM;
	memset(f->first_name, 0xff, v->nr_locations * sizeof(*f->first_name));
	buf_init(&f->escaped, 16 * PROFILE_MAX_NAME);
	return intern_new(&f->names, NAMES_MAX);
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

static void write_line(const struct folded *f, const struct line *line, uint64_t count,
		       struct buf *out)
{
	for (size_t i = 0; i < line->nr; i++) {
		size_t len;
		const char *name = intern_get(f->names, line->names[i], &len);

		if (i)
			buf_addc(out, ';');
		buf_add(out, name, len);
	}
	buf_addf(out, " %" PRIu64 "\n", count);
}

static int write_lines(const struct folded *f, struct buf *out)
{
	size_t next;

	qsort_r(f->lines, f->nr_lines, sizeof(*f->lines), compare, f->names);
	for (size_t i = 0; i < f->nr_lines && !out->error; i = next) {
		uint64_t count = 0;

		for (next = i; next < f->nr_lines && equal(&f->lines[i], &f->lines[next]); next++)
			count += f->lines[next].count;
		write_line(f, &f->lines[i], count, out);
	}
	return out->error;
}

int folded_write(const struct profile *p, uint32_t owner, struct buf *out)
{
	_cleanup_(folded_deinitp) struct folded f = { .profile = p };
	int r;

	profile_view(p, &f.view);
	r = prepare(&f, owner);
	for (size_t i = 0; !r && i < f.view.nr_samples; i++) {
		if (is_wanted(&f.view.samples[i], owner))
			r = add_line(&f, &f.view.samples[i]);
	}
	return r < 0 ? r : write_lines(&f, out);
}
