/* One recording: name what was sampled, write the files, say what was found. */
#include "agent/core/recording.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/core/output.h"
#include "agent/core/owners_profile.h"
#include "agent/core/output_file.h"
#include "agent/core/progress.h"
#include "agent/core/symbolize.h"
#include "agent/core/table.h"
#include "proto/flamegraph_svg.h"
#include "proto/folded.h"
#include "proto/pprof.h"
#include "proto/speedscope.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>

#define SETTLE_NS (3 * NSEC_PER_SEC) /* for files that are just being opened */
#define NAMING_NS (120 * NSEC_PER_SEC) /* and then the rest goes out as addresses */
#define OUTPUT_BYTES_MAX (1ULL << 31)
#define TOP_FUNCTIONS 15
#define WIDTH_DEFAULT 120

static bool is_settled(struct recording *r, struct symbolize *s)
{
	if (s)
		return !symbolize_pending(s);
	return !openclient_pending(r->sampling.opener) && !names_pending(r->sampling.names) &&
	       !vmlinux_pending(r->sampling.vmlinux);
}

/* Runs the loop until everything asked for has come, the deadline, or another Ctrl-C. */
static int wait_for(struct recording *r, struct symbolize *s, uint64_t limit_ns)
{
	uint64_t deadline = clock_boot_ns() + limit_ns;

	while (!is_settled(r, s) && clock_boot_ns() < deadline &&
	       r->interrupted == r->interrupted_at_stop) {
		int rc = loop_run_once(r->sampling.loop, 100);

		if (rc < 0)
			return rc;
		if (s)
			progress_symbolizing(symbolize_pending(s));
	}
	progress_clear();
	return 0;
}

static int add_owners(struct recording *r, struct profile *profile, uint32_t *indexes)
{
	for (uint32_t i = 0; i < owners_count(r->sampling.owners); i++) {
		int rc = owners_add_to_profile(owners_get(r->sampling.owners, i), profile,
					       &indexes[i]);

		if (rc)
			return rc;
	}
	return 0;
}

static void fill_meta(struct recording *r, struct profile *profile)
{
	struct profile_meta *meta = profile_meta(profile);
	struct utsname uts;

	meta->time_wall_ns = r->start_wall_ns;
	meta->duration_ns = r->stop_boot_ns - r->start_boot_ns;
	meta->period_ns = sampler_period_ns(r->sampling.sampler);
	meta->rate_hz = r->rate_hz;
	meta->nr_cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	snprintf(meta->version, sizeof(meta->version), "%s", FLEETPROF_VERSION);
	if (!uname(&uts)) {
		snprintf(meta->host, sizeof(meta->host), "%s", uts.nodename);
		snprintf(meta->kernel, sizeof(meta->kernel), "%.30s %.64s", uts.sysname,
			 uts.release);
	}
	loss_describe(&r->sampling.loss, meta);
}

static int build_profile(struct recording *r, struct profile *profile,
			 struct symbolize_counts *counts)
{
	struct symbolize_config config = { .symbolizer = r->sampling.symbolizer,
					   .objects = r->sampling.objects,
					   .jitmaps = r->sampling.jitmaps,
					   .kallsyms_fd = r->sampling.kallsyms_fd,
					   .vmlinux_fd = vmlinux_fd(r->sampling.vmlinux),
					   .vdso_fd = r->sampling.vdso_fd };
	_cleanup_(freep) uint32_t *owners =
		calloc(owners_count(r->sampling.owners) + 1, sizeof(*owners));
	struct symbolize *s = NULL;
	int rc;

	if (!owners)
		return -ENOMEM;
	if (r->sampling.jitmaps)
		jitmaps_look_again(r->sampling.jitmaps);
	rc = wait_for(r, NULL, SETTLE_NS);
	if (!rc)
		rc = add_owners(r, profile, owners);
	if (!rc)
		rc = symbolize_new(&s, &config, r->window, profile);
	if (!rc)
		rc = wait_for(r, s, NAMING_NS);
	if (!rc)
		rc = symbolize_finish(s, owners, counts);
	fill_meta(r, profile);
	/* Answers may still be under way: the client gives them up before what they point at goes. */
	r->sampling.symbolizer = symclient_free(r->sampling.symbolizer);
	symbolize_free(s);
	return rc;
}

static int encode(const struct profile *profile, const struct record_output *output,
		  struct buf *out)
{
	switch (output->format) {
	case RECORD_HTML:
		return output_html(profile, "fleetprof record", out);
	case RECORD_SVG:
		return flamegraph_svg(profile, PROFILE_ALL_OWNERS, "fleetprof record", out);
	case RECORD_PPROF:
		return pprof_write(profile, PROFILE_ALL_OWNERS, out);
	case RECORD_FOLDED:
		return folded_write(profile, PROFILE_ALL_OWNERS, out);
	case RECORD_SPEEDSCOPE:
		return speedscope_write(profile, "fleetprof record", out);
	}
	return -EINVAL;
}

/* Through the keeper, who has the user's rights; if it was killed, with what is left of ours. */
static int write_output(struct recording *r, size_t i, const struct buf *bytes, char *elsewhere)
{
	_cleanup_(closep) int fd = -1;
	int rc = sys_memfd("fleetprof-output", &fd);

	if (!rc)
		rc = sys_write_all(fd, bytes->data, bytes->len);
	if (rc < 0)
		return rc;
	rc = keeper_write(r->sampling.keeper, i, fd, elsewhere);
	if (rc == -ECONNRESET || rc == -EPIPE)
		rc = output_file_write_or_elsewhere(r->options->outputs[i].path, fd, elsewhere);
	return rc;
}

/* Writes every file; said: the lines that name those that are where they should be. */
static int write_outputs(struct recording *r, const struct profile *profile, struct buf *said,
			 struct err *err)
{
	size_t failed = 0;
	int result = 0;

	for (size_t i = 0; i < r->options->nr_outputs; i++) {
		const struct record_output *output = &r->options->outputs[i];
		_cleanup_(buf_deinitp) struct buf bytes = BUF_NULL;
		char elsewhere[PATH_MAX] = "";
		int rc;

		buf_init(&bytes, OUTPUT_BYTES_MAX);
		rc = encode(profile, output, &bytes);
		if (!rc)
			rc = write_output(r, i, &bytes, elsewhere);
		if (!rc) {
			buf_addf(said, "wrote %s (%zu KB)\n", output->path,
				 (bytes.len + 1023) / 1024);
			continue;
		}
		result = rc;
		failed++;
		log_error("cannot write %s: %s%s%s", output->path, err_str(rc),
			  *elsewhere ? "; it was written to " : "", elsewhere);
	}
	return failed ? err_set(err, result, "%zu of %zu files are not where they should be",
				failed, r->options->nr_outputs)
		      : 0;
}

static void print_balance(const struct recording *r)
{
	struct err err = ERR_NULL;

	if (loss_balances(&r->sampling.loss, &err))
		printf("loss equation: balanced\n");
	else
		printf("loss equation: NOT balanced: %s (please report this)\n", err.text);
}

static void warn_of_silent(const struct sampler_counts *c)
{
	if (c->nr_silent)
		log_warn("CPU %u brought no tick%s, and was not idle: what ran there is not in the "
			 "profile (fleetprof doctor says more)",
			 c->silent_cpu, c->nr_silent > 1 ? ", and others neither" : "");
}

static void print_cost(const struct recording *r, const struct symbolize_counts *counts)
{
	const struct sampler_counts *c = &r->sampling.loss.sampler;
	uint64_t timed = c->bpf[COUNTER_SELF_TIMED_RUNS];
	struct objects_counts files;

	objects_counts(r->sampling.objects, &files);
	printf("files: %zu seen, %zu opened; frames: %" PRIu64 " different, %" PRIu64
	       " named; kernel side: %" PRIu64 " ns per run (most %" PRIu64 ")\n",
	       files.seen, files.opened, counts->addresses, counts->named,
	       timed ? c->bpf[COUNTER_SELF_TIMED_NS] / timed : 0,
	       c->bpf[COUNTER_SELF_TIMED_MAX_NS]);
	if (files.supplements.found || files.supplements.missing)
		printf("further debug files: %" PRIu64 " found, %" PRIu64 " missing, %" PRIu64
		       " of other programs\n",
		       files.supplements.found, files.supplements.missing,
		       files.supplements.refused);
	if (files.views)
		printf("files in further roots: %zu; %zu of them with names of their own\n",
		       files.views, files.views_apart);
	if (files.shortened)
		printf("names cut for want of memory: %" PRIu64 " without inlined calls, %" PRIu64
		       " without lines, %" PRIu64 " without functions; of %zu files\n",
		       files.less_inlines, files.less_lines, files.less_functions, files.shortened);
	if (files.hashed || files.not_hashed)
		printf("files that look alike: %" PRIu64 " hashed, %" PRIu64
		       " not (too much to read); %zu share an earlier one's names\n",
		       files.hashed, files.not_hashed, files.shared);
}

static void print_tables(const struct recording *r)
{
	const uint64_t *c = r->sampling.loss.sampler.bpf;
	struct tables_counts t;

	tables_counts(table_source_tables(r->sampling.tables), &t);
	printf("unwind tables: %" PRIu64 " placed (%.1f MB), %" PRIu64
	       " of them an equal file's, %" PRIu64 " files have none, %" PRIu64 " failed, %" PRIu64
	       " without room; user frames: %" PRIu64 ", of them %" PRIu64 " searched, %" PRIu64
	       " found by reading generated code; address spaces: %" PRIu64 " times remembered\n",
	       t.placed, (double)t.bytes / (1 << 20), t.shared, t.none, t.failed, t.evicted,
	       c[COUNTER_FRAMES], c[COUNTER_RULE_MISSES], c[COUNTER_BY_PROLOGUE],
	       c[COUNTER_SPACES_RECALLED]);
}

/* The files come first: nobody may read what is printed, and then it never ends. */
int recording_finish(struct recording *r, struct err *err)
{
	_cleanup_(profile_freep) struct profile *profile = NULL;
	_cleanup_(buf_deinitp) struct buf summary = BUF_NULL;
	_cleanup_(buf_deinitp) struct buf said = BUF_NULL;
	struct symbolize_counts counts = { 0 };
	int rc = profile_new(&profile), written;

	if (!rc)
		rc = build_profile(r, profile, &counts);
	if (rc)
		return err_errno(err, rc, "cannot build the profile");
	buf_init(&said, 1u << 20);
	written = write_outputs(r, profile, &said, err);
	buf_init(&summary, 16u << 20);
	rc = output_summary(profile, TOP_FUNCTIONS, table_terminal_width(WIDTH_DEFAULT),
			    isatty(STDOUT_FILENO), &summary);
	if (!rc)
		fputs(buf_str(&summary), stdout);
	print_balance(r);
	print_cost(r, &counts);
	print_tables(r);
	warn_of_silent(&r->sampling.loss.sampler);
	if (!r->sampling.loss.in_profile)
		log_warn(
			"nothing was sampled: what was asked for used no CPU while it was watched");
	fputs(buf_str(&said), stdout);
	if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE && !written)
		return err_errno(err, err_last(), "cannot print the summary");
	return written;
}
