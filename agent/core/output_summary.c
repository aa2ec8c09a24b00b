/* A profile in one screen of a terminal: where the time went, whose it was, and what is missing. */
#include "agent/base/clock.h"
#include "agent/core/output.h"
#include "agent/base/text.h"
#include "agent/core/stacks_profile.h"
#include "agent/core/top.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define WIDTH_MIN 60ul /* below, the tables would have no room for names */
#define RUNTIME_COLUMNS 10

struct summary {
	const struct profile *profile;
	struct profile_view view;
	size_t top;
	struct table table;
	uint64_t samples, complete, value_ns;
};

static void count_samples(struct summary *s)
{
	for (size_t i = 0; i < s->view.nr_samples; i++) {
		const struct profile_sample *from = &s->view.samples[i];

		s->samples += from->count;
		s->value_ns += from->value_ns;
		s->complete += from->complete ? from->count : 0;
	}
}

static double share(uint64_t part, uint64_t whole)
{
	return table_share((int64_t)part, (int64_t)whole);
}

static void write_head(struct summary *s)
{
	const struct profile_meta *meta = s->view.meta;
	char samples[32], line[512];

	if (!s->samples) {
		table_finish(&s->table, "No samples: nothing that was selected ran on a CPU.", 0);
		return;
	}
	snprintf(line, sizeof(line), "%s samples, %.2f s of CPU time in %.1f s on %u CPUs at %u Hz",
		 table_grouped(s->samples, samples), (double)s->value_ns / NSEC_PER_SEC,
		 (double)meta->duration_ns / NSEC_PER_SEC, meta->nr_cpus, meta->rate_hz);
	table_finish(&s->table, line, 0);
	snprintf(line, sizeof(line), "%.2f %% of them have a complete stack, down to its root",
		 share(s->complete, s->samples));
	table_finish(&s->table, line, 0);
}

static int write_functions(struct summary *s)
{
	_cleanup_(stacks_freep) struct stacks *stacks = NULL;
	_cleanup_(freep) struct top_entry *entries = NULL;
	int r = stacks_from_profile(s->profile, &stacks);

	if (!r)
		r = top_count(stacks, &entries);
	if (r)
		return r;
	top_sort(stacks, entries, stacks_nr_functions(stacks), TOP_BY_SELF);
	top_print(&s->table, stacks, entries, stacks_nr_functions(stacks), s->top, 0, TOP_BY_SELF);
	return 0;
}

static int by_value(const void *a, const void *b, void *userdata)
{
	const struct profile_owner *owners = userdata;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (owners[x].value_ns != owners[y].value_ns)
		return owners[x].value_ns > owners[y].value_ns ? -1 : 1;
	return (x > y) - (x < y);
}

static void write_owner(struct summary *s, const struct profile_owner *o)
{
	uint64_t duration = s->view.meta->duration_ns;
	_cleanup_(buf_deinitp) struct buf runtime;
	char samples[32];
	size_t used;

	buf_init(&runtime, 64);
	text_for_terminal(&runtime, profile_string(s->profile, o->runtime), RUNTIME_COLUMNS);
	used = table_columns(
		&s->table, "%6.2f%%  %7.2f %12s  %-*s  ", share(o->value_ns, s->value_ns),
		duration ? (double)o->value_ns / (double)duration : 0.0,
		table_grouped(o->samples, samples), RUNTIME_COLUMNS, buf_str(&runtime));
	table_finish(&s->table, o->name ? profile_string(s->profile, o->name) : "[unknown]", used);
}

static int write_owners(struct summary *s)
{
	const struct profile_owner *owners = s->view.owners;
	_cleanup_(freep) uint32_t *order = calloc(s->view.nr_owners + 1, sizeof(*order));
	uint64_t rest = 0;
	size_t nr = 0;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->view.nr_owners; i++) {
		if (owners[i].samples)
			order[nr++] = i;
	}
	qsort_r(order, nr, sizeof(*order), by_value, (void *)owners);
	table_heading(&s->table, "    CPU    CORES      SAMPLES  RUNTIME     OWNER");
	for (size_t i = 0; i < MIN(nr, s->top); i++)
		write_owner(s, &owners[order[i]]);
	for (size_t i = s->top; i < nr; i++)
		rest += owners[order[i]].value_ns;
	if (nr > s->top)
		buf_addf(s->table.out, "%6.2f%%  of %zu more\n", share(rest, s->value_ns),
			 nr - s->top);
	return 0;
}

static bool is_loss(const char *name)
{
	return !strncmp(name, "lost", 4) || !strcmp(name, "missed");
}

static void write_loss(struct summary *s, const char *name, uint64_t count)
{
	char text[32];

	if (is_loss(name))
		table_style(&s->table, count ? "31" : "2");
	table_finish(&s->table, name,
		     table_columns(&s->table, "%14s  ", table_grouped(count, text)));
}

static void write_losses(struct summary *s)
{
	const struct profile_meta *meta = s->view.meta;

	table_heading(&s->table, "         COUNT  SAMPLES AND LOSSES");
	for (size_t i = 0; i < meta->nr_losses; i++)
		write_loss(s, meta->losses[i].name, meta->losses[i].count);
	if (s->view.dropped_samples)
		write_loss(s, "lost: no room for stack", s->view.dropped_samples);
}

int output_summary(const struct profile *p, size_t top, size_t width, bool colour, struct buf *out)
{
	struct summary s = { .profile = p,
			     .top = top,
			     .table = { out, MAX(width, WIDTH_MIN), colour } };
	int r = 0;

	profile_view(p, &s.view);
	count_samples(&s);
	write_head(&s);
	if (s.samples)
		r = write_functions(&s);
	if (s.samples && !r)
		r = write_owners(&s);
	if (r < 0)
		return r;
	write_losses(&s);
	return out->error;
}
