/* The core's own metrics, in Prometheus' text format: the exporter shows them beside its own. */
#include "agent/base/log.h"
#include "agent/base/text.h"
#include "agent/core/agent_run.h"
#include "agent/core/process_stat.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define TEXT_MAX (60u << 10)
#define OWNERS_SHOWN 100 /* in the order of their places; what is more is counted as not shown */

static void family(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_addf(b, "# HELP fleetprof_%s %s\n# TYPE fleetprof_%s %s\n", name, help, name, type);
}

static void number(struct buf *b, const char *name, const char *type, const char *help, uint64_t n)
{
	family(b, name, type, help);
	buf_addf(b, "fleetprof_%s %" PRIu64 "\n", name, n);
}

/* One line of a family whose lines differ by a label, whose values are our own words. */
static void labelled(struct buf *b, const char *name, const char *label, const char *value,
		     uint64_t n)
{
	buf_addf(b, "fleetprof_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, n);
}

/* A label's value: valid UTF-8, with the three escapes of the format. */
static void add_value(struct buf *b, const char *text)
{
	char valid[OWNER_NAME_MAX * 3];

	text_repair(text, strlen(text), valid, sizeof(valid));
	for (const char *p = valid; *p; p++) {
		if (*p == '\n') {
			buf_adds(b, "\\n");
			continue;
		}
		if (*p == '\\' || *p == '"')
			buf_addc(b, '\\');
		buf_addc(b, *p);
	}
}

static void add_losses(struct agent *a, struct buf *b)
{
	struct profile_meta meta = { .nr_losses = 0 };

	loss_describe(&a->counts.loss, &meta);
	family(b, "samples_total", "counter",
	       "Terms of the loss equation, over all closed windows: what was expected of every CPU, "
	       "and what became of it.");
	for (size_t i = 0; i < meta.nr_losses; i++)
		labelled(b, "samples_total", "term", meta.losses[i].name, meta.losses[i].count);
	number(b, "unbalanced_windows_total", "counter",
	       "Windows whose loss equation did not hold: a bug.", a->counts.unbalanced);
}

static void add_windows(struct agent *a, struct buf *b)
{
	struct exporterclient_counts c;

	exporterclient_counts(a->exporter, &c);
	family(b, "windows_total", "counter", "Windows that were closed, and what became of them.");
	labelled(b, "windows_total", "what", "closed", a->counts.closed);
	labelled(b, "windows_total", "what", "stored", c.stored);
	labelled(b, "windows_total", "what", "refused", c.refused);
	labelled(b, "windows_total", "what", "lost_waiting", c.lost);
	labelled(b, "windows_total", "what", "lost_unfinished", a->counts.unfinished);
	number(b, "windows_waiting", "gauge", "Windows that the exporter has not acknowledged.",
	       c.waiting);
	number(b, "clock_jumps_total", "counter", "Jumps of the wall clock by more than a second.",
	       a->counts.jumps);
	family(b, "reloads_total", "counter", "Times that the settings were read again.");
	labelled(b, "reloads_total", "result", "applied", a->counts.reloads);
	labelled(b, "reloads_total", "result", "refused", a->counts.bad_reloads);
	number(b, "switched_off", "gauge", "1 while the kill switch is there.", a->off);
	family(b, "helper_restarts_total", "counter", "Helpers that ended and were started again.");
	labelled(b, "helper_restarts_total", "process", "opener",
		 openclient_restarts(a->sampling.opener));
	labelled(b, "helper_restarts_total", "process", "symbolizer",
		 symclient_restarts(a->sampling.symbolizer));
	labelled(b, "helper_restarts_total", "process", "exporter", c.restarts);
}

static void add_generated_code(struct agent *a, struct buf *b)
{
	struct jitmaps_counts c;

	jitmaps_counts(a->sampling.jitmaps, &c);
	number(b, "generated_code_processes", "gauge",
	       "Processes that were seen in code that they generated.", c.processes);
	number(b, "generated_code_files", "gauge",
	       "Their perf maps and jitdumps that are open for names.", c.opened);
	family(b, "generated_code_lost_total", "counter",
	       "Perf maps and jitdumps that are not used.");
	labelled(b, "generated_code_lost_total", "why", "refused", c.refused);
	labelled(b, "generated_code_lost_total", "why", "evicted", c.evicted);
}

static void add_remote_debug(struct agent *a, struct buf *b)
{
	struct remotedebug_counts c;

	remotedebug_counts(a->remotedebug, &c);
	family(b, "remote_debug_files_total", "counter",
	       "Files whose debug file was asked of debuginfod's servers, by what came.");
	labelled(b, "remote_debug_files_total", "result", "found", c.found);
	labelled(b, "remote_debug_files_total", "result", "missing", c.nobody);
	labelled(b, "remote_debug_files_total", "result", "bad", c.bad);
	labelled(b, "remote_debug_files_total", "result", "later", c.later);
	number(b, "remote_debug_files_waiting", "gauge", "Files whose debug file may still come.",
	       c.waiting);
}

static void add_kernel_side(struct agent *a, struct buf *b)
{
	const uint64_t *c = a->counts.loss.sampler.bpf;
	uint64_t bytes = 0;

	number(b, "kernel_runs_timed_total", "counter",
	       "Runs of the sampling program that timed themselves: one in 16.",
	       c[COUNTER_SELF_TIMED_RUNS]);
	family(b, "kernel_run_seconds_total", "counter", "Time that these took.");
	buf_addf(b, "fleetprof_kernel_run_seconds_total %.9f\n",
		 (double)c[COUNTER_SELF_TIMED_NS] / 1e9);
	family(b, "kernel_run_seconds_max", "gauge", "The longest of them.");
	buf_addf(b, "fleetprof_kernel_run_seconds_max %.9f\n",
		 (double)c[COUNTER_SELF_TIMED_MAX_NS] / 1e9);
	if (!sampler_map_bytes(a->sampling.sampler, &bytes))
		number(b, "kernel_map_bytes", "gauge", "Memory of the BPF maps.", bytes);
}

static void add_processes(struct agent *a, struct buf *b)
{
	const struct {
		const char *name;
		pid_t pid;
	} all[] = {
		{ "core", getpid() },
		{ "keeper", getppid() },
		{ "opener", openclient_pid(a->sampling.opener) },
		{ "symbolizer", symclient_pid(a->sampling.symbolizer) },
		{ "exporter", exporterclient_pid(a->exporter) },
	};
	struct process_stat stats[ARRAY_SIZE(all)];
	bool there[ARRAY_SIZE(all)];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		there[i] = process_stat_read(all[i].pid, &stats[i]);
	family(b, "process_cpu_seconds_total", "counter",
	       "CPU time of each of our processes and its children.");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (there[i])
			buf_addf(b, "fleetprof_process_cpu_seconds_total{process=\"%s\"} %.2f\n",
				 all[i].name, stats[i].cpu_s);
	}
	family(b, "process_resident_bytes", "gauge", "Resident memory, shared pages included.");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (there[i])
			labelled(b, "process_resident_bytes", "process", all[i].name,
				 stats[i].rss_bytes);
	}
	number(b, "core_pss_bytes", "gauge", "The core's proportional share of memory.",
	       process_stat_own_pss());
	number(b, "other_agents", "gauge",
	       "Agents that ran on this host when this one began, and still do.",
	       other_agents_living(&a->others));
}

static void add_supplements(struct buf *b, const struct supplements_counts *c)
{
	number(b, "debug_supplements_open", "gauge",
	       "Open files of split DWARF and of what dwz shares.", c->open);
	family(b, "debug_supplements_total", "counter", "Such files that were looked for.");
	labelled(b, "debug_supplements_total", "what", "found", c->found);
	labelled(b, "debug_supplements_total", "what", "missing", c->missing);
	labelled(b, "debug_supplements_total", "what", "refused", c->refused);
	labelled(b, "debug_supplements_total", "what", "dropped", c->dropped);
	labelled(b, "debug_supplements_total", "what", "stalled", c->stalled);
}

static void add_tables(struct agent *a, struct buf *b)
{
	struct objects_counts files;
	struct symcache_counts names;

	objects_counts(a->sampling.objects, &files);
	symcache_counts(a->symcache, &names);
	number(b, "files", "gauge", "Mapped files that are known.", files.seen);
	number(b, "files_open", "gauge", "… of which a descriptor is held.", files.opened);
	number(b, "files_forgotten_total", "counter", "Files that were not seen any more.",
	       files.forgotten);
	number(b, "frames_without_file_total", "counter",
	       "Frames whose file found no place in the table.", files.refused);
	number(b, "files_mismatched_total", "counter",
	       "Descriptors that turned out to be of another file.", files.mismatches);
	number(b, "files_with_debug_file", "gauge", "Files with a separate debug file.",
	       files.with_debug_file);
	number(b, "file_views", "gauge", "Of the files, those in further roots of processes.",
	       files.views);
	number(b, "file_views_apart", "gauge",
	       "… of which the root has other debug files: they have names of their own.",
	       files.views_apart);
	number(b, "wrong_debug_files_total", "counter",
	       "Files that were found where a debug file would be, and are not the program's.",
	       files.wrong_debug_files);
	add_supplements(b, &files.supplements);
	number(b, "roots_refused_total", "counter",
	       "Root folders that nothing was looked for in, for want of a place.",
	       files.roots_refused);
	number(b, "files_hashed_total", "counter",
	       "Files that look like another one, or whose names are kept on disk, read whole.",
	       files.hashed);
	number(b, "files_recalled_total", "counter",
	       "… not read, since they have not changed since the agent's last run.",
	       files.recalled);
	number(b, "files_not_hashed_total", "counter", "… not read, as there was too much of them.",
	       files.not_hashed);
	number(b, "files_shared", "gauge",
	       "Files whose names are those of another one of equal content.", files.shared);
	number(b, "names_without_inlines_total", "counter",
	       "Answers that lack inlined calls for want of memory.", files.less_inlines);
	number(b, "names_without_lines_total", "counter", "… that lack lines.", files.less_lines);
	number(b, "names_without_functions_total", "counter",
	       "… for which debug information was not read.", files.less_functions);
	number(b, "files_shortened", "gauge", "Files with such answers; the log says which.",
	       files.shortened);
	number(b, "cgroups_without_owner_total", "counter",
	       "Cgroups that were booked on `other` for want of a place.",
	       owners_overflowed(a->sampling.owners));
	number(b, "cgroups_without_usage_total", "counter",
	       "Cgroups whose CPU time could not be followed for want of a place.",
	       usage_refused(a->usage));
	number(b, "name_cache_bytes", "gauge", "Memory of the names kept from earlier windows.",
	       names.bytes);
	number(b, "name_cache_hits_total", "counter", "Addresses that were found there.",
	       names.hits);
	number(b, "name_cache_misses_total", "counter", "… and that were not.", names.misses);
}

/* What the tables that came lack, by their own account. */
static void add_unwind_lacks(const struct tables_counts *c, struct buf *b)
{
	static const char *const bounds[] = {
		[UNWIND_BOUND_SPAN] = "span",     [UNWIND_BOUND_CODE] = "code",
		[UNWIND_BOUND_DATA] = "data",     [UNWIND_BOUND_STEPS] = "steps",
		[UNWIND_BOUND_ROUNDS] = "rounds", [UNWIND_BOUND_MEMORY] = "memory",
	};
	_Static_assert(ARRAY_SIZE(bounds) == UNWIND_BOUND_NR, "each has a name");

	family(b, "unwind_table_lacks_total", "counter",
	       "What tables lack: broken descriptions of functions, rows that no rule can express, "
	       "and rows and groups of 64 KB for which there was no room.");
	labelled(b, "unwind_table_lacks_total", "what", "descriptions", c->broken_fdes);
	labelled(b, "unwind_table_lacks_total", "what", "rules", c->unsupported_rows);
	labelled(b, "unwind_table_lacks_total", "what", "rows", c->lost_rows);
	labelled(b, "unwind_table_lacks_total", "what", "groups", c->lost_groups);
	family(b, "unwind_code_bounds_total", "counter",
	       "Bounds that following code without descriptions came up against.");
	for (int i = 0; i < UNWIND_BOUND_NR; i++)
		labelled(b, "unwind_code_bounds_total", "bound", bounds[i], c->code_bounds[i]);
}

static void add_unwind_tables(struct agent *a, struct buf *b)
{
	struct tables *t = table_source_tables(a->sampling.tables);
	struct tables_counts c;

	tables_counts(t, &c);
	family(b, "unwind_tables", "gauge",
	       "Mapped files by what is known of their unwind tables.");
	labelled(b, "unwind_tables", "state", "placed", c.placed);
	labelled(b, "unwind_tables", "state", "none", c.none);
	labelled(b, "unwind_tables", "state", "failed", c.failed);
	labelled(b, "unwind_tables", "state", "evicted", c.evicted);
	number(b, "unwind_tables_pending", "gauge", "Tables that are asked for or wait for room.",
	       tables_pending(t));
	number(b, "unwind_table_bytes", "gauge", "Memory that tables take.", c.bytes);
	number(b, "unwind_tables_shared", "gauge",
	       "Placed tables that are an equal file's, which has been there before.", c.shared);
	number(b, "unwind_table_bytes_saved", "gauge", "Memory that these would take.",
	       c.shared_bytes);
	number(b, "unwind_slab_bytes", "gauge", "Memory that was made for tables.", c.slab_bytes);
	number(b, "unwind_tables_evicted_total", "counter",
	       "Tables that gave their room to others.", c.evictions);
	family(b, "unwind_tables_refused_total", "counter",
	       "Files that stay without a table, by what there was none of.");
	labelled(b, "unwind_tables_refused_total", "reason", "slots", c.refused_slots);
	labelled(b, "unwind_tables_refused_total", "reason", "budget", c.refused_budget);
	labelled(b, "unwind_tables_refused_total", "reason", "share", c.refused_owner);
	labelled(b, "unwind_tables_refused_total", "reason", "check", c.refused_images);
	labelled(b, "unwind_tables_refused_total", "reason", "queue", c.dropped_images);
	labelled(b, "unwind_tables_refused_total", "reason", "memory", c.slab_errors);
	add_unwind_lacks(&c, b);
	number(b, "user_frames_total", "counter", "Frames of user stacks.",
	       a->counts.loss.sampler.bpf[COUNTER_FRAMES]);
	number(b, "user_frames_searched_total", "counter",
	       "… whose rule was searched in a table; the others' was remembered.",
	       a->counts.loss.sampler.bpf[COUNTER_RULE_MISSES]);
	number(b, "user_frames_by_prologue_total", "counter",
	       "… found by reading generated code that keeps no frame pointers.",
	       a->counts.loss.sampler.bpf[COUNTER_BY_PROLOGUE]);
	number(b, "spaces_recalled_total", "counter",
	       "Samples of address spaces of which an earlier sample had left something.",
	       a->counts.loss.sampler.bpf[COUNTER_SPACES_RECALLED]);
}

static void add_symdisk(struct agent *a, struct buf *b)
{
	struct symdisk_counts c;

	symdisk_counts(a->symdisk, &c);
	number(b, "symbol_cache_bytes", "gauge", "Names that are kept on disk.", c.bytes);
	number(b, "symbol_cache_evicted_bytes_total", "counter",
	       "… that made room for others, used less lately.", c.evicted);
	number(b, "symbol_cache_files", "gauge", "Files that are known there.", c.keys);
	family(b, "symbol_cache_reads_total", "counter",
	       "Files whose names were looked for on disk.");
	labelled(b, "symbol_cache_reads_total", "result", "hit", c.hits);
	labelled(b, "symbol_cache_reads_total", "result", "miss", c.misses);
	family(b, "symbol_cache_addresses_total", "counter",
	       "Addresses whose names were read from disk, or written.");
	labelled(b, "symbol_cache_addresses_total", "what", "read", c.read);
	labelled(b, "symbol_cache_addresses_total", "what", "written", c.written);
	family(b, "symbol_cache_failures_total", "counter",
	       "Records or files that failed a check, answers too large, errors of the file system.");
	labelled(b, "symbol_cache_failures_total", "what", "corrupt", c.corrupt);
	labelled(b, "symbol_cache_failures_total", "what", "refused", c.refused);
	labelled(b, "symbol_cache_failures_total", "what", "error", c.errors);
	number(b, "symbolizer_addresses_total", "counter",
	       "Addresses of files that the symbolizer was asked for.",
	       symclient_addresses(a->sampling.symbolizer));
}

static void add_ends(struct agent *a, struct buf *b)
{
	family(b, "stacks_ended_total", "counter", "Samples by how their user stack ended.");
	for (uint16_t i = 0; i < END_NR; i++) {
		if (a->stacks->ends[i])
			labelled(b, "stacks_ended_total", "reason", symbolize_end_reason(i),
				 a->stacks->ends[i]);
	}
}

static void add_owner_line(struct buf *b, const struct owners_entry *e, const char *family_name,
			   const char *label, const char *value, uint64_t n)
{
	buf_addf(b, "fleetprof_%s{owner=\"", family_name);
	add_value(b, owners_name(e));
	buf_adds(b, "\",id=\"");
	add_value(b, e->ref.container_id);
	buf_addf(b, "\",%s=\"%s\"} %" PRIu64 "\n", label, value, n);
}

static void add_owner(struct buf *b, const struct owners_entry *e,
		      const struct stack_counts_owner *counts)
{
	static const char name[] = "owner_stacks_total";
	uint64_t by_completeness[2] = { 0, 0 };

	for (uint16_t i = 0; i < END_NR; i++)
		by_completeness[symbolize_end_is_complete(i)] += counts->ends[i];
	add_owner_line(b, e, name, "what", "complete", by_completeness[true]);
	add_owner_line(b, e, name, "what", "truncated", by_completeness[false]);
	add_owner_line(b, e, name, "what", "unsymbolized", counts->unsymbolized);
}

static void add_owner_ends(struct buf *b, const struct owners_entry *e,
			   const struct stack_counts_owner *counts)
{
	for (uint16_t i = 0; i < END_NR; i++) {
		if (counts->ends[i] && !symbolize_end_is_complete(i))
			add_owner_line(b, e, "owner_stacks_truncated_total", "reason",
				       symbolize_end_reason(i), counts->ends[i]);
	}
}

/* One family's lines for every owner; returns how many owners found no room. */
static size_t add_each_owner(struct agent *a, struct buf *b,
			     void (*add)(struct buf *b, const struct owners_entry *e,
					 const struct stack_counts_owner *counts))
{
	size_t shown = 0, others = 0;

	for (uint32_t i = 0; i < owners_count(a->sampling.owners); i++) {
		const struct owners_entry *e = owners_get(a->sampling.owners, i);

		if (!e->used)
			continue;
		if (shown == OWNERS_SHOWN || b->len > TEXT_MAX - 4096) {
			others++;
			continue;
		}
		shown++;
		add(b, e, &a->stacks->owners[i]);
	}
	return others;
}

static void add_owners(struct agent *a, struct buf *b)
{
	size_t stacks, ends;

	family(b, "owner_stacks_total", "counter",
	       "Samples of an owner whose stack is complete, truncated, or has a frame without name.");
	stacks = add_each_owner(a, b, add_owner);
	family(b, "owner_stacks_truncated_total", "counter",
	       "The truncated ones by how their user stack ended.");
	ends = add_each_owner(a, b, add_owner_ends);
	number(b, "owners_not_shown", "gauge", "Owners that are there but not in this list.",
	       MAX(stacks, ends));
}

int agent_metrics_send(struct agent *a)
{
	static void (*const parts[])(struct agent * a, struct buf * b) = {
		add_losses,        add_windows, add_remote_debug,   add_kernel_side,
		add_processes,     add_tables,  add_generated_code, add_symdisk,
		add_unwind_tables, add_ends,    add_owners,
	};
	_cleanup_(buf_deinitp) struct buf text = BUF_NULL;

	buf_init(&text, TEXT_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		parts[i](a, &text);
	if (text.error)
		return text.error;
	return exporterclient_metrics(a->exporter, buf_str(&text));
}
