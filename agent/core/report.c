/* `fleetprof report`: profiles in the terminal. */
#include "agent/core/report.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/privilege.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"
#include "agent/core/report_diff.h"
#include "agent/core/report_options.h"
#include "agent/core/report_read.h"
#include "agent/core/report_tree.h"
#include "proto/pprof_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define EXIT_USAGE 2
#define OUT_MAX (256u << 20)

struct report {
	const struct report_options *options;
	struct report_profile profiles[2]; /* of a diff: before, after; else the first */
	struct table table;
	struct buf *files; /* their bytes */
};

static void report_deinit(struct report *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(r->profiles); i++)
		report_profile_deinit(&r->profiles[i]);
	for (size_t i = 0; r->files && i < r->options->nr_files; i++)
		buf_deinit(&r->files[i]);
	free(r->files);
}
DEFINE_CLEANUP_EMBEDDED(struct report, report_deinit)

static int read_file(const char *name, struct buf *out, struct err *err)
{
	bool is_stdin = !strcmp(name, "-");
	_cleanup_(closep) int opened = is_stdin ? -1 : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int fd = is_stdin ? STDIN_FILENO : opened, r;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, err_last(), "cannot open %s", name);
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "%s is a folder: name the files in it", name);
	r = sys_read_all(fd, out);
	if (r == -ENOSPC)
		return err_set(err, r, "%s: larger than %llu MiB", name,
			       PPROF_READ_BYTES_MAX >> 20);
	return r ? err_errno(err, r, "cannot read %s", name) : 0;
}

/* All files are read before the first is decoded: what decodes them may do nothing else any more. */
static int read_files(struct report *r, struct err *err)
{
	size_t nr = r->options->nr_files;
	int rc = 0;

	r->files = calloc(nr, sizeof(*r->files));
	if (!r->files)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < nr; i++)
		buf_init(&r->files[i], PPROF_READ_BYTES_MAX);
	for (size_t i = 0; i < nr && !rc; i++)
		rc = read_file(r->options->files[i], &r->files[i], err);
	return rc;
}

/* Foreign bytes are decoded with as little as this process can have. */
static int drop_privileges(struct err *err)
{
	return privilege_drop(NULL, 0, geteuid() == 0 ? privilege_spare_uid() : 0, err);
}

static int decode(struct report *r, struct err *err)
{
	const struct report_options *o = r->options;
	struct report_wanted wanted = { .type = o->type, .owner = o->owner };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(r->profiles) && !rc; i++)
		rc = report_profile_init(&r->profiles[i]);
	for (size_t i = 0; i < o->nr_files && !rc; i++) {
		struct report_profile *p = &r->profiles[o->view == REPORT_DIFF ? i : 0];

		rc = report_read(p, o->files[i], buf_str(&r->files[i]), r->files[i].len, &wanted,
				 err);
		buf_deinit(&r->files[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(r->profiles) && !rc; i++) {
		if (o->owner && r->profiles[i].any && !r->profiles[i].owner_found)
			rc = err_set(err, -EINVAL, "%s", r->profiles[i].no_owner.text);
	}
	return rc;
}

/* "1.25 s", "3.4 MiB", "1,234" */
static void format_value(int64_t value, const char *unit, char *ret, size_t size)
{
	static const struct {
		const char *unit, *shown;
		double factor;
	} units[] = {
		{ "nanoseconds", "s", 1e-9 },        { "microseconds", "s", 1e-6 },
		{ "milliseconds", "s", 1e-3 },       { "seconds", "s", 1 },
		{ "bytes", "MiB", 1.0 / (1 << 20) },
	};
	char grouped[32];

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!strcmp(unit, units[i].unit)) {
			snprintf(ret, size, "%.2f %s", (double)value * units[i].factor,
				 units[i].shown);
			return;
		}
	}
	table_grouped(value < 0 ? -(uint64_t)value : (uint64_t)value, grouped);
	snprintf(ret, size, "%s%s%s%s", value < 0 ? "-" : "", grouped,
		 strcmp(unit, "count") ? " " : "", strcmp(unit, "count") ? unit : "");
}

static void write_head(struct report *r, const struct report_profile *p, const char *what)
{
	char value[REPORT_TYPE_MAX + 40], line[512], duration[64] = "";

	format_value(stacks_total(p->stacks), p->unit, value, sizeof(value));
	if (p->duration_ns)
		snprintf(duration, sizeof(duration), " in %.1f s",
			 (double)p->duration_ns / NSEC_PER_SEC);
	snprintf(line, sizeof(line), "%s%s of %s%s, %zu different stacks", what, value,
		 *p->type ? p->type : "[unnamed]", duration, stacks_nr_samples(p->stacks));
	table_finish(&r->table, line, 0);
	if (stacks_cut(p->stacks)) {
		snprintf(line, sizeof(line),
			 "%" PRIu64 " stacks were deeper than %d: cut at the root",
			 stacks_cut(p->stacks), STACKS_DEPTH_MAX);
		table_finish(&r->table, line, 0);
	}
}

struct owner_value {
	uint32_t owner;
	int64_t value;
};

static int by_value(const void *a, const void *b)
{
	const struct owner_value *x = a, *y = b;

	if (x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return (x->owner > y->owner) - (x->owner < y->owner);
}

/* Owners are strings of the stacks: small ids, few of them. */
static int write_owners(struct report *r, const struct report_profile *p)
{
	_cleanup_(freep) struct owner_value *values = NULL;
	uint32_t max = 0;

	for (size_t i = 0; i < stacks_nr_samples(p->stacks); i++)
		max = MAX(max, stacks_sample(p->stacks, i)->owner);
	values = calloc((size_t)max + 1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (size_t i = 0; i < stacks_nr_samples(p->stacks); i++) {
		const struct stacks_sample *sample = stacks_sample(p->stacks, i);

		values[sample->owner].owner = sample->owner;
		values[sample->owner].value =
			stacks_sum(values[sample->owner].value, sample->value);
	}
	qsort(values, (size_t)max + 1, sizeof(*values), by_value);
	table_heading(&r->table, "  SHARE  OWNER");
	for (size_t i = 0; i <= max && i < r->options->limit && values[i].value; i++) {
		const char *name = stacks_string(p->stacks, values[i].owner);

		table_finish(&r->table, *name ? name : "[none]",
			     table_columns(&r->table, "%6.2f%%  ",
					   table_share(values[i].value, stacks_total(p->stacks))));
	}
	return 0;
}

static int write_top(struct report *r)
{
	const struct report_options *o = r->options;
	const struct stacks *s = r->profiles[0].stacks;
	_cleanup_(freep) struct top_entry *entries = NULL;
	size_t nr = stacks_nr_functions(s), left_out;
	int rc = top_count(s, &entries);

	if (rc)
		return rc;
	top_sort(s, entries, nr, o->order);
	left_out = top_print(&r->table, s, entries, nr, o->limit, o->min_percent, o->order);
	if (left_out)
		buf_addf(r->table.out, "and %zu more functions (--limit, --min)\n", left_out);
	return r->profiles[0].has_owners && !o->owner ? write_owners(r, &r->profiles[0]) : 0;
}

static int write_diff(struct report *r, struct err *err)
{
	const struct report_options *o = r->options;
	const struct report_profile *before = &r->profiles[0], *after = &r->profiles[1];

	if (strcmp(before->type, after->type) || strcmp(before->unit, after->unit))
		return err_set(
			err, -EINVAL,
			"%s counts %s in %s, %s %s in %s: choose one that both have, by --type",
			o->files[0], before->type, before->unit, o->files[1], after->type,
			after->unit);
	write_head(r, before, "before: ");
	write_head(r, after, "after:  ");
	return report_diff(&r->table, before->stacks, after->stacks, o->limit, o->min_percent,
			   o->order);
}

static int write_report(struct report *r, struct err *err)
{
	const struct report_options *o = r->options;
	int rc;

	if (o->view == REPORT_DIFF)
		return write_diff(r, err);
	write_head(r, &r->profiles[0], "");
	if (!stacks_nr_samples(r->profiles[0].stacks))
		return 0;
	rc = o->view == REPORT_TREE ? report_tree(&r->table, r->profiles[0].stacks, o->limit,
						  o->min_percent, o->order)
				    : write_top(r);
	return rc ? rc : r->table.out->error;
}

static int report(const struct report_options *o, struct err *err)
{
	bool terminal = isatty(STDOUT_FILENO);
	_cleanup_(buf_deinitp) struct buf out;
	_cleanup_(report_deinitp) struct report r = { .options = o };
	int rc;

	buf_init(&out, OUT_MAX);
	r.table = (struct table) { .out = &out,
				   .width = table_terminal_width(TEXT_NO_LIMIT),
				   .colour = terminal && !getenv("NO_COLOR") };
	rc = read_files(&r, err);
	if (!rc)
		rc = drop_privileges(err);
	if (!rc)
		rc = decode(&r, err);
	if (!rc)
		rc = write_report(&r, err);
	if (rc)
		return rc;
	rc = sys_write_all(STDOUT_FILENO, buf_str(&out), out.len);
	return rc == -EPIPE ? 0 : rc; /* head(1) has seen enough */
}

int report_main(int argc, char **argv)
{
	struct report_options options;
	struct err err = ERR_NULL;
	int r = report_options_parse(&options, argc, argv, &err);

	if (r == REPORT_OPTIONS_E_HELP) {
		fputs(report_options_help(), stdout);
		return 0;
	}
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	r = report(&options, &err);
	if (r < 0) {
		log_error("%s", err.text[0] ? err.text : err_str(r));
		return 1;
	}
	return 0;
}
