/* A profile in one screen of a terminal: where the time went, whose it was, and what is missing. */
#include "agent/base/clock.h"
#include "agent/base/intern.h"
#include "agent/core/output.h"
#include "agent/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define WIDTH_MIN 60 /* below, the tables would have no room for names */
#define RUNTIME_COLUMNS 10
#define KIND_KERNEL 'k' /* first byte of a function's key, and what its column shows */
#define KIND_USER ' '

struct function {
	uint32_t key; /* in keys: kind and name */
	uint64_t self_ns, total_ns;
	size_t last_sample; /* + 1: a function counts once in a sample, however often it recurs */
};

struct summary {
	const struct profile *profile;
	struct profile_view view;
	size_t top;
	unsigned int width;
	bool colour;
	struct buf *out;
	struct intern *keys;
	uint32_t *first_function; /* of each location, into frame_functions */
	uint32_t *frame_functions; /* innermost first */
	struct function *functions; /* by key */
	uint64_t samples, complete, value_ns;
};

static void summary_deinit(struct summary *s)
{
	intern_free(s->keys);
	free(s->first_function);
	free(s->frame_functions);
	free(s->functions);
}
DEFINE_CLEANUP_EMBEDDED(struct summary, summary_deinit)

/* The key of one frame; addresses without a name are one function for each file. */
static int add_key(struct summary *s, uint32_t location, uint32_t line, uint32_t *ret)
{
	const struct profile_location *l = &s->view.locations[location];
	char tmp[PROFILE_MAX_NAME], key[PROFILE_MAX_NAME + 32];
	const char *name = profile_frame_name(s->profile, location, line, tmp);
	const char *address = l->nr_lines ? NULL : strrchr(name, '!');
	int len = address ? (int)(address - name) : (int)strlen(name), r;

	len = snprintf(key, sizeof(key), "%c%.*s%s",
		       l->kind == PROFILE_FRAME_KERNEL ? KIND_KERNEL : KIND_USER, len, name,
		       address ? " (no name)" : "");
	r = intern_add(s->keys, key, (size_t)len, ret);
	return r > 0 ? -ENOSPC : r;
}

static uint32_t frames_of(const struct profile_location *l)
{
	return MAX(l->nr_lines, 1u);
}

static int add_keys(struct summary *s)
{
	const struct profile_view *v = &s->view;
	size_t nr = 0;
	int r;

	for (size_t i = 0; i < v->nr_locations; i++)
		nr += frames_of(&v->locations[i]);
	s->first_function = calloc(v->nr_locations + 1, sizeof(*s->first_function));
	s->frame_functions = calloc(nr + 1, sizeof(*s->frame_functions));
	if (!s->first_function || !s->frame_functions)
		return -ENOMEM;
	r = intern_new(&s->keys, 2 * PROFILE_MAX_STRING_BYTES);
	nr = 0;
	for (uint32_t i = 0; i < v->nr_locations; i++) {
		s->first_function[i] = (uint32_t)nr;
		for (uint32_t j = 0; !r && j < frames_of(&v->locations[i]); j++)
			r = add_key(s, i, j, &s->frame_functions[nr++]);
	}
	if (r < 0)
		return r;
	s->functions = calloc(intern_count(s->keys), sizeof(*s->functions));
	if (!s->functions)
		return -ENOMEM;
	for (uint32_t i = 0; i < intern_count(s->keys); i++)
		s->functions[i].key = i;
	return 0;
}

static void count_location(struct summary *s, size_t sample, uint32_t location, bool is_leaf)
{
	uint64_t value = s->view.samples[sample].value_ns;

	for (uint32_t i = 0; i < frames_of(&s->view.locations[location]); i++) {
		struct function *f =
			&s->functions[s->frame_functions[s->first_function[location] + i]];

		if (is_leaf && i == 0)
			f->self_ns += value;
		if (f->last_sample == sample + 1)
			continue;
		f->last_sample = sample + 1;
		f->total_ns += value;
	}
}

static void count_samples(struct summary *s)
{
	for (size_t i = 0; i < s->view.nr_samples; i++) {
		const struct profile_sample *from = &s->view.samples[i];

		s->samples += from->count;
		s->value_ns += from->value_ns;
		s->complete += from->complete ? from->count : 0;
		for (uint32_t j = 0; j < from->nr_locations; j++) {
			uint32_t l = s->view.stack_locations[from->first_location + j];

			/* The process is an owner of functions, not one of them. */
			if (j == 0 || s->view.locations[l].kind != PROFILE_FRAME_ROOT)
				count_location(s, i, l, j == 0);
		}
	}
}

/* 1234567 → "1,234,567" */
static const char *grouped(uint64_t n, char out[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), used = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = '\0';
	return out;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void style(struct summary *s, const char *sgr)
{
	if (s->colour)
		buf_addf(s->out, "\033[%sm", sgr);
}

static void heading(struct summary *s, const char *text)
{
	buf_addc(s->out, '\n');
	style(s, "1");
	text_for_terminal(s->out, text, s->width);
	style(s, "0");
	buf_addc(s->out, '\n');
}

/* The rest of a line that has used `used` columns. A name is the last thing on its line, always. */
static void finish_line(struct summary *s, const char *name, int used)
{
	text_for_terminal(s->out, name, s->width - MIN((unsigned int)used, s->width));
	style(s, "0");
	buf_addc(s->out, '\n');
}

static int put_columns(struct summary *s, const char *fmt, ...) _printf_(2, 3);
static int put_columns(struct summary *s, const char *fmt, ...)
{
	size_t before = s->out->len;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(s->out, fmt, ap);
	va_end(ap);
	return (int)(s->out->len - before);
}

static void write_head(struct summary *s)
{
	const struct profile_meta *meta = s->view.meta;
	char samples[32], line[512];

	if (!s->samples) {
		finish_line(s, "No samples: nothing that was selected ran on a CPU.", 0);
		return;
	}
	snprintf(line, sizeof(line), "%s samples, %.2f s of CPU time in %.1f s on %u CPUs at %u Hz",
		 grouped(s->samples, samples), (double)s->value_ns / NSEC_PER_SEC,
		 (double)meta->duration_ns / NSEC_PER_SEC, meta->nr_cpus, meta->rate_hz);
	finish_line(s, line, 0);
	snprintf(line, sizeof(line), "%.2f %% of them have a complete stack, down to its root",
		 share(s->complete, s->samples));
	finish_line(s, line, 0);
}

static int by_self(const void *a, const void *b, void *userdata)
{
	const struct function *x = a, *y = b;

	if (x->self_ns != y->self_ns)
		return x->self_ns > y->self_ns ? -1 : 1;
	if (x->total_ns != y->total_ns)
		return x->total_ns > y->total_ns ? -1 : 1;
	return strcmp(intern_get(userdata, x->key, NULL), intern_get(userdata, y->key, NULL));
}

static void write_functions(struct summary *s)
{
	size_t nr = intern_count(s->keys);

	qsort_r(s->functions, nr, sizeof(*s->functions), by_self, s->keys);
	heading(s, "   SELF    TOTAL  FUNCTION (k: kernel)");
	for (size_t i = 0; i < MIN(nr, s->top) && s->functions[i].total_ns; i++) {
		const struct function *f = &s->functions[i];
		const char *key = intern_get(s->keys, f->key, NULL);
		int used = put_columns(s, "%6.2f%%  %6.2f%% %c ", share(f->self_ns, s->value_ns),
				       share(f->total_ns, s->value_ns), key[0]);

		if (key[0] == KIND_KERNEL)
			style(s, "33");
		finish_line(s, key + 1, used);
	}
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
	int used;

	buf_init(&runtime, 64);
	text_for_terminal(&runtime, profile_string(s->profile, o->runtime), RUNTIME_COLUMNS);
	used = put_columns(s, "%6.2f%%  %7.2f %12s  %-*s  ", share(o->value_ns, s->value_ns),
			   duration ? (double)o->value_ns / (double)duration : 0.0,
			   grouped(o->samples, samples), RUNTIME_COLUMNS, buf_str(&runtime));
	finish_line(s, o->name ? profile_string(s->profile, o->name) : "[unknown]", used);
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
	heading(s, "    CPU    CORES      SAMPLES  RUNTIME     OWNER");
	for (size_t i = 0; i < MIN(nr, s->top); i++)
		write_owner(s, &owners[order[i]]);
	for (size_t i = s->top; i < nr; i++)
		rest += owners[order[i]].value_ns;
	if (nr > s->top)
		buf_addf(s->out, "%6.2f%%  of %zu more\n", share(rest, s->value_ns), nr - s->top);
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
		style(s, count ? "31" : "2");
	finish_line(s, name, put_columns(s, "%14s  ", grouped(count, text)));
}

static void write_losses(struct summary *s)
{
	const struct profile_meta *meta = s->view.meta;

	heading(s, "         COUNT  SAMPLES AND LOSSES");
	for (size_t i = 0; i < meta->nr_losses; i++)
		write_loss(s, meta->losses[i].name, meta->losses[i].count);
	if (s->view.dropped_samples)
		write_loss(s, "lost: no room for stack", s->view.dropped_samples);
}

int output_summary(const struct profile *p, size_t top, unsigned int width, bool colour,
		   struct buf *out)
{
	_cleanup_(summary_deinitp) struct summary s = { .profile = p,
							.top = top,
							.width = MAX(width, (unsigned)WIDTH_MIN),
							.colour = colour,
							.out = out };
	int r;

	profile_view(p, &s.view);
	r = add_keys(&s);
	if (r < 0)
		return r;
	count_samples(&s);
	write_head(&s);
	if (s.samples) {
		write_functions(&s);
		r = write_owners(&s);
	}
	if (r < 0)
		return r;
	write_losses(&s);
	return out->error;
}
