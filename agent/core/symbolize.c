/* From a closed window to a symbolized profile. */
#include "agent/core/symbolize_internal.h"
#include "agent/base/sys.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

const char *symbolize_end_reason(uint16_t reason)
{
	static const char *const names[END_NR] = {
		[END_NONE] = "no user stack",
		[END_ROOT] = "complete",
		[END_DEPTH] = "too deep",
		[END_READ_FAULT] = "stack not readable",
		[END_NO_MAP] = "address without mapping",
		[END_NO_MAP_RACE] = "mapping changed meanwhile",
		[END_NO_TABLE] = "no unwind information",
		[END_TABLE_PENDING] = "unwind table not there yet",
		[END_UNSUPPORTED] = "unwind rule not expressible",
		[END_BAD_CFA] = "frame address did not grow",
		[END_UNSUPPORTED_ABI] = "32-bit task",
		[END_MAPS_FULL] = "too many mappings",
		[END_BAD_FP] = "no frame pointer",
		[END_USER_WORKER] = "kernel worker",
		[END_EXITING] = "process is exiting",
		[END_EXECUTING] = "program is being executed",
		[END_GENERATED] = "generated code without frame pointer",
	};

	return reason < END_NR && names[reason] ? names[reason] : "unknown reason";
}

bool symbolize_end_is_complete(uint16_t reason)
{
	return reason == END_ROOT || reason == END_NONE || reason == END_EXITING ||
	       reason == END_EXECUTING;
}

int symbolize_copy_vdso(int *ret_fd)
{
	const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	_cleanup_(closep) int fd = -1;
	size_t size;
	int r;

	if (!ehdr)
		return -ENOENT;
	/* The section headers stand last in the vDSO, which the kernel made; it is not foreign. */
	size = ehdr->e_shoff + (size_t)ehdr->e_shnum * ehdr->e_shentsize;
	r = sys_memfd("fleetprof-vdso", &fd);
	if (r < 0)
		return r;
	r = sys_write_all(fd, ehdr, size);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int symbolize_new(struct symbolize **ret, const struct symbolize_config *config,
		  const struct window *window, struct profile *profile)
{
	_cleanup_(symbolize_freep) struct symbolize *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->config = *config;
	s->window = window;
	s->profile = profile;
	r = symbolize_plan(s);
	if (!r && config->jitmaps)
		r = symbolize_jit_new(&s->jit, config->symbolizer, config->jitmaps, window,
				      profile);
	if (r)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

struct symbolize *symbolize_free(struct symbolize *s)
{
	if (!s)
		return NULL;
	while (s->batches) {
		struct symbolize_batch *batch = s->batches;

		s->batches = batch->next;
		batch->s = NULL;
		if (!batch->waiting)
			free(batch);
	}
	symbolize_jit_free(s->jit);
	hashmap_free(s->location_of);
	free(s->words);
	free(s);
	return NULL;
}

size_t symbolize_pending(const struct symbolize *s)
{
	return s->pending + (s->jit ? symbolize_jit_pending(s->jit) : 0);
}

/* A frame that is only a name. */
static int add_synthetic(struct profile *p, const char *name, enum profile_frame_kind kind,
			 uint32_t mapping, uint64_t address, uint32_t *ret)
{
	struct profile_location location = {
		.mapping = mapping, .address = address, .nr_lines = 1, .kind = kind
	};
	struct profile_function function = { .start_line = 0 };
	struct profile_line line = { .line = 0 };
	int r;

	r = profile_add_string(p, name, &function.name);
	function.system_name = function.name;
	if (!r)
		r = profile_add_function(p, &function, &line.function);
	return r ? r : profile_add_location(p, &location, &line, ret);
}

static int add_mark(struct symbolize *s, uint64_t word, uint32_t *ret)
{
	char name[96];

	switch (FRAME_MARK_CLASS(word)) {
	case FRAME_MARK_GAP_BY_FP:
		snprintf(name, sizeof(name), "[gap bridged by frame pointer]");
		break;
	case FRAME_MARK_BY_PROLOGUE:
		snprintf(name, sizeof(name), "[caller found by reading generated code]");
		break;
	case FRAME_MARK_CUT:
	case FRAME_MARK_END:
		snprintf(name, sizeof(name), "[truncated: %s]",
			 symbolize_end_reason(FRAME_MARK_REASON(word)));
		break;
	default:
		snprintf(name, sizeof(name), "[async]");
		break;
	}
	return add_synthetic(s->profile, name, PROFILE_FRAME_MARK, UINT32_MAX, 0, ret);
}

/* What no request answered: a name where there is one to give, else mapping and address. */
static int add_unanswered(struct symbolize *s, const struct symbolize_batch *batch, uint64_t word)
{
	struct profile_location location = { .mapping = batch->mapping,
					     .address = symbolize_offset_of(word),
					     .kind = symbolize_kind_of(word) };
	uint32_t index;
	int r;

	switch (FRAME_KIND(word)) {
	case FRAME_MARK:
		r = add_mark(s, word, &index);
		break;
	case FRAME_ANON:
		r = add_synthetic(s->profile, "[anonymous memory]", PROFILE_FRAME_JIT,
				  batch->mapping, location.address, &index);
		break;
	default:
		r = profile_add_location(s->profile, &location, NULL, &index);
		break;
	}
	if (r)
		return r;
	symbolize_set_location(s, word, index);
	return 0;
}

static int fill_gaps(struct symbolize *s)
{
	for (const struct symbolize_batch *batch = s->batches; batch; batch = batch->next) {
		s->counts.named += batch->nr_provisional;
		for (size_t i = batch->first; i < batch->first + batch->nr; i++) {
			const uint32_t *location = hashmap_get(s->location_of, &s->words[i]);
			int r = *location == SYMBOLIZE_UNKNOWN
					? add_unanswered(s, batch, s->words[i])
					: 0;

			if (r)
				return r;
		}
	}
	return 0;
}

static int add_processes(struct symbolize *s, uint32_t *processes, uint32_t *roots)
{
	for (size_t i = 0; i < window_processes(s->window); i++) {
		struct profile_process process;
		struct window_process from;
		int r;

		window_process(s->window, i, &from);
		process = (struct profile_process) { .tgid = from.tgid,
						     .start_boot_ns = from.start_boot_ns };
		r = profile_add_string(s->profile, from.comm, &process.comm);
		if (!r)
			r = profile_add_process(s->profile, &process, &processes[i]);
		if (!r)
			r = add_synthetic(s->profile, from.comm[0] ? from.comm : "[no name]",
					  PROFILE_FRAME_ROOT, UINT32_MAX, 0, &roots[i]);
		if (r)
			return r;
	}
	return 0;
}

static int add_row(struct symbolize *s, const struct window_row *row, const uint32_t *owners,
		   const uint32_t *processes, const uint32_t *roots)
{
	struct profile_sample sample = {
		.owner = owners[row->owner],
		.process = processes[row->process],
		.count = row->count,
		.value_ns = row->value,
		.complete = symbolize_end_is_complete(row->end_reason),
	};
	uint32_t locations[RECORD_MAX_WORDS + 1];
	size_t nr = 0;
	int r;

	for (size_t i = 0; i < row->nr_words && nr < RECORD_MAX_WORDS; i++) {
		const uint32_t *location = hashmap_get(s->location_of, &row->words[i]);

		if (!location)
			continue;
		locations[nr] = *location;
		if (s->jit && FRAME_KIND(row->words[i]) == FRAME_ANON)
			symbolize_jit_location(s->jit, row->process, row->words[i], &locations[nr]);
		nr++;
	}
	locations[nr++] = roots[row->process];
	r = profile_add_string(s->profile, row->thread_comm, &sample.thread_comm);
	return r ? r : profile_add_sample(s->profile, &sample, locations, nr);
}

int symbolize_finish(struct symbolize *s, const uint32_t *owners,
		     struct symbolize_counts *ret_counts)
{
	size_t nr = window_processes(s->window);
	_cleanup_(freep) uint32_t *processes = calloc(nr + 1, sizeof(*processes));
	_cleanup_(freep) uint32_t *roots = calloc(nr + 1, sizeof(*roots));
	int r;

	if (!processes || !roots)
		return -ENOMEM;
	r = fill_gaps(s);
	if (!r)
		r = add_processes(s, processes, roots);
	for (size_t i = 0; !r && i < window_rows(s->window); i++) {
		struct window_row row;

		window_row(s->window, i, &row);
		r = add_row(s, &row, owners, processes, roots);
	}
	*ret_counts = s->counts;
	return r;
}
