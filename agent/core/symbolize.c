/* From a closed window to a symbolized profile. */
#include "agent/core/symbolize.h"
#include "agent/core/symbolize_jit.h"
#include "agent/core/symbolize_location.h"
#include "agent/base/hashmap.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

#define UNKNOWN UINT32_MAX
#define ATTEMPTS 3 /* of a batch that a dying symbolizer lost */
#define ROUNDS_MAX 64 /* of looking for files that a batch's answers want */

struct symbolize {
	struct symbolize_config config;
	const struct window *window;
	struct profile *profile;
	struct hashmap *location_of; /* frame word → uint32_t location, UNKNOWN until asked for */
	uint64_t *words; /* the different words that need a name, ascending */
	size_t nr_words;
	size_t pending;
	struct batch *batches;
	struct symbolize_jit *jit; /* NULL: no perf maps */
	struct symbolize_counts counts;
};

/* A run of words that one request names: same file, or the kernel. */
struct batch {
	struct symbolize *s; /* NULL: it was freed while the request was under way */
	struct batch *next;
	size_t first, nr;
	uint32_t mapping;
	uint32_t content; /* number of the content that answers for a file's words; else 0 */
	unsigned int attempts, rounds;
	bool waiting;
	size_t nr_provisional; /* words with a name that a file which is looked for may better */
	struct supplements_given given; /* with the request that is under way */
};

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

static int compare_words(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool needs_location(uint64_t word)
{
	switch (FRAME_KIND(word)) {
	case FRAME_FILE:
	case FRAME_KERNEL:
	case FRAME_ANON:
	case FRAME_SPECIAL:
	case FRAME_MARK:
		return true;
	}
	return false;
}

static int collect_words(struct symbolize *s)
{
	size_t nr;
	const uint64_t *words = window_words(s->window, &nr);
	int r;

	r = hashmap_new(&s->location_of, sizeof(uint64_t), sizeof(uint32_t), nr + 1);
	if (r)
		return r;
	s->words = malloc((nr + 1) * sizeof(*s->words));
	if (!s->words)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		void *location;
		bool is_new;

		if (!needs_location(words[i]))
			continue;
		r = hashmap_put(s->location_of, &words[i], &location, &is_new);
		if (r)
			return r < 0 ? r : -ENOSPC;
		if (!is_new)
			continue;
		*(uint32_t *)location = UNKNOWN;
		s->words[s->nr_words++] = words[i];
	}
	qsort(s->words, s->nr_words, sizeof(*s->words), compare_words);
	s->counts.addresses = s->nr_words;
	return 0;
}

/* Words of one batch agree in all but their offset. */
static uint64_t batch_of(uint64_t word)
{
	switch (FRAME_KIND(word)) {
	case FRAME_FILE:
	case FRAME_SPECIAL:
		return word >> 32;
	}
	return word >> FRAME_KIND_SHIFT << 28;
}

static uint64_t offset_of(uint64_t word)
{
	switch (FRAME_KIND(word)) {
	case FRAME_FILE:
	case FRAME_SPECIAL:
		return FRAME_FILE_OFFSET(word);
	case FRAME_KERNEL: /* sign-extend 60 bits */
		return (uint64_t)((int64_t)(word << 4) >> 4);
	}
	return word & FRAME_PAYLOAD_MASK;
}

static enum profile_frame_kind kind_of(uint64_t word)
{
	switch (FRAME_KIND(word)) {
	case FRAME_KERNEL:
		return PROFILE_FRAME_KERNEL;
	case FRAME_ANON:
		return PROFILE_FRAME_JIT;
	case FRAME_MARK:
		return PROFILE_FRAME_MARK;
	}
	return PROFILE_FRAME_USER;
}

static void set_location(struct symbolize *s, uint64_t word, uint32_t location)
{
	uint32_t *slot = hashmap_get(s->location_of, &word);

	if (slot)
		*slot = location;
}

static int add_answer(struct batch *batch, uint64_t word, const struct symbolizer_answer *answer,
		      const struct symbolizer_frame *frames)
{
	struct symbolize *s = batch->s;
	struct profile_location location = { .mapping = batch->mapping,
					     .address = answer->vaddr ? answer->vaddr
								      : offset_of(word),
					     .kind = kind_of(word) };
	uint32_t index;
	int r = symbolize_add_location(s->profile, location, frames, answer->nr_frames, &index);

	if (r)
		return r;
	set_location(s, word, index);
	return 0;
}

static int send_batch(struct batch *batch, const struct supplements_given *give);

/* Whose file answers for the batch's; nobody's for words that are of no known file. */
static struct objects_content content_of(const struct batch *batch)
{
	const struct symbolize *s = batch->s;
	uint64_t word = s->words[batch->first];
	const struct object *object = FRAME_KIND(word) == FRAME_FILE
					      ? objects_get(s->config.objects, FRAME_FILE_ID(word))
					      : NULL;

	return object ? objects_content(s->config.objects, object)
		      : (struct objects_content) { .object = NULL };
}

/* Something of a content that is shared, which was changed while it was read: it answers for nobody. */
static bool is_outdated(const struct batch *batch)
{
	return batch->content && batch->content != FRAME_FILE_ID(batch->s->words[batch->first]) &&
	       batch->content != content_of(batch).id;
}

/* The word by which an answer is kept: that of the content that gave it. */
static uint64_t word_of_content(const struct batch *batch, uint64_t word)
{
	return batch->content ? FRAME_MAKE_FILE(batch->content, FRAME_FILE_OFFSET(word)) : word;
}

/* Asks again for the batch's words, which are those whose answers wanted something. */
static void on_supplied(bool found, const struct supplements_given *give, void *userdata)
{
	struct batch *batch = userdata;
	struct symbolize *s = batch->s;

	if (!s) {
		free(batch);
		return;
	}
	batch->waiting = false;
	s->pending--;
	if (is_outdated(batch) && batch->attempts < ATTEMPTS)
		send_batch(batch, NULL);
	else if (found && batch->rounds++ < ROUNDS_MAX)
		send_batch(batch, give);
}

/* A process of the window that maps the batch's file: the one that it was first seen in may have ended long ago. */
static uint32_t find_process(const struct batch *batch, uint64_t *ret_start_boot_ns)
{
	const struct window *w = batch->s->window;
	uint32_t id = FRAME_FILE_ID(batch->s->words[batch->first]);

	for (size_t i = window_rows(w); i > 0; i--) { /* the latest */
		struct window_process process;
		struct window_row row;

		window_row(w, i - 1, &row);
		for (size_t j = 0; j < row.nr_words; j++) {
			if (FRAME_KIND(row.words[j]) != FRAME_FILE ||
			    FRAME_FILE_ID(row.words[j]) != id)
				continue;
			window_process(w, row.process, &process);
			*ret_start_boot_ns = process.start_boot_ns;
			return process.tgid;
		}
	}
	return 0;
}

static void look_for_files(struct batch *batch, const struct symbolizer_result *result)
{
	struct symbolize *s = batch->s;
	const struct object *object = content_of(batch).object;
	uint64_t start = 0;
	uint32_t tgid = find_process(batch, &start);

	batch->waiting = true;
	s->pending++;
	if (objects_supply(s->config.objects, object->id, tgid, start, result->wants,
			   result->nr_wants, &batch->given, on_supplied, batch) < 0) {
		batch->waiting = false;
		s->pending--;
	}
}

/* Does the answer want files that were not looked for yet? */
static bool wants_files(const struct batch *batch, const struct symbolizer_result *result)
{
	const struct object *object = content_of(batch).object;

	return result->nr_wants && object &&
	       !objects_supplies_are_missing(object, result->wants, result->nr_wants);
}

static int take_answer(struct batch *batch, uint64_t word, const struct symbolizer_answer *answer,
		       const struct symbolizer_frame *frames, bool provisional)
{
	struct symbolize *s = batch->s;
	int r = add_answer(batch, word, answer, frames);

	if (r < 0)
		return r;
	if (answer->nr_frames && provisional)
		batch->nr_provisional++;
	else if (answer->nr_frames)
		s->counts.named++;
	if (!provisional && FRAME_KIND(word) == FRAME_FILE)
		objects_add_less(s->config.objects, FRAME_FILE_ID(word), answer->less);
	if (s->config.cache && !provisional &&
	    symcache_put(s->config.cache, word_of_content(batch, word), answer, frames) < 0)
		log_debug("an answer is not kept: out of memory");
	return 0;
}

/* Of what was hashed, and still is that (is_outdated() says so): for the next run, and for other containers. */
static void keep_on_disk(const struct batch *batch, const struct symbolizer_result *result)
{
	const struct symbolize *s = batch->s;
	_cleanup_(freep) uint64_t *offsets = NULL;
	struct symdisk_key key;

	if (!s->config.disk || !batch->content ||
	    batch->content == FRAME_FILE_ID(s->words[batch->first]) ||
	    !objects_key(content_of(batch).object, &key))
		return;
	offsets = calloc(batch->nr, sizeof(*offsets));
	if (!offsets)
		return;
	for (size_t i = 0; i < batch->nr; i++)
		offsets[i] = offset_of(s->words[batch->first + i]);
	symdisk_put(s->config.disk, &key, offsets, result);
}

/* Words that are to be asked for again, with files that the answer wants, stay in the batch. */
static void take_answers(struct batch *batch, const struct symbolizer_result *result)
{
	struct symbolize *s = batch->s;
	bool again = wants_files(batch, result);
	size_t left = 0;

	batch->nr_provisional = 0;
	keep_on_disk(batch, result);
	for (size_t i = 0; i < batch->nr; i++) {
		const struct symbolizer_answer *answer = &result->answers[i];
		uint64_t word = s->words[batch->first + i];
		bool provisional = again && (answer->less & SYMBOLIZER_LESS_FILES);

		if (take_answer(batch, word, answer, result->frames + answer->first_frame,
				provisional) < 0) {
			s->counts.failed++;
			return;
		}
		if (provisional)
			s->words[batch->first + left++] = word;
	}
	if (!left)
		return;
	batch->nr = left;
	look_for_files(batch, result);
}

static void on_frames(enum symclient_status status, const struct symbolizer_result *result,
		      void *userdata)
{
	struct batch *batch = userdata;
	struct symbolize *s = batch->s;

	if (!s) {
		free(batch);
		return;
	}
	batch->waiting = false;
	s->pending--;
	if (is_outdated(batch))
		status = SYMCLIENT_LOST;
	if (status == SYMCLIENT_LOST && batch->attempts < ATTEMPTS && !send_batch(batch, NULL))
		return;
	if (status != SYMCLIENT_OK || result->nr_answers != batch->nr)
		s->counts.failed++;
	else
		take_answers(batch, result);
}

static int request(struct batch *batch, const uint64_t *offsets,
		   const struct supplements_given *give)
{
	struct symbolize *s = batch->s;
	uint64_t word = s->words[batch->first];
	struct symclient_file file = { .key = SYMBOLIZE_KEY_VDSO, .fd = s->config.vdso_fd };
	struct objects_content content = content_of(batch);
	const struct object *object;

	switch (FRAME_KIND(word)) {
	case FRAME_KERNEL:
		if (s->config.kallsyms_fd < 0)
			return -ENOENT;
		return symclient_kernel(s->config.symbolizer, s->config.kallsyms_fd,
					s->config.vmlinux_fd, offsets, batch->nr, on_frames, batch);
	case FRAME_FILE:
		object = objects_get(s->config.objects, FRAME_FILE_ID(word));
		if (!object)
			return -ENOENT;
		batch->content = content.id;
		file = objects_request(content.object);
		file.key = content.id;
		file.owner = object->owner;
		batch->given = give ? *give : (struct supplements_given) { .nr = 0 };
		batch->given.alt = file.alt_fd > 0;
		batch->given.package = file.package_fd > 0;
		file.split_fds = batch->given.fds;
		file.nr_splits = batch->given.nr;
		break;
	case FRAME_SPECIAL:
		if (((word >> 56) & 0xf) != FRAME_SPECIAL_VDSO)
			return -ENOENT;
		break;
	default:
		return -ENOENT;
	}
	if (file.fd < 0)
		return -ENOENT;
	return symclient_frames(s->config.symbolizer, &file, SYMCLIENT_NAMES, offsets, batch->nr,
				on_frames, batch);
}

static int send_batch(struct batch *batch, const struct supplements_given *give)
{
	_cleanup_(freep) uint64_t *offsets = calloc(batch->nr, sizeof(*offsets));
	int r;

	if (!offsets)
		return -ENOMEM;
	for (size_t i = 0; i < batch->nr; i++)
		offsets[i] = offset_of(batch->s->words[batch->first + i]);
	batch->attempts += !give;
	r = request(batch, offsets, give);
	if (r < 0)
		return r;
	batch->waiting = true;
	batch->s->pending++;
	batch->s->counts.batches++;
	return 0;
}

static void hex(char *out, size_t size, const uint8_t *bytes, size_t nr)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < nr && n + 3 <= size; i++)
		n += (size_t)snprintf(out + n, size - n, "%02x", bytes[i]);
}

/* A mapping's row; the flags promise only what every location keeps. */
static int add_mapping(struct symbolize *s, uint64_t word, uint32_t *ret)
{
	struct profile_mapping mapping = { .has_functions = true };
	char build_id[2 * SYMBOLIZER_BUILD_ID_MAX + 1] = "";
	const struct object *object = NULL;
	const char *name = "//anon";
	int r;

	if (FRAME_KIND(word) == FRAME_KERNEL)
		name = "[kernel.kallsyms]";
	else if (FRAME_KIND(word) == FRAME_SPECIAL)
		name = ((word >> 56) & 0xf) == FRAME_SPECIAL_VDSO ? "[vdso]" : "[vsyscall]";
	else if (FRAME_KIND(word) == FRAME_FILE)
		object = objects_get(s->config.objects, FRAME_FILE_ID(word));
	if (object) {
		name = object->path ? object->path : object->identity.name;
		mapping.has_filenames = mapping.has_line_numbers = mapping.has_inline_frames =
			object->elf_known && object->elf.has_dwarf;
		if (object->elf_known && object->elf.build_id_kind == SYMBOLIZER_BUILD_ID_GNU)
			hex(build_id, sizeof(build_id), object->elf.build_id,
			    object->elf.build_id_len);
		else if (object->elf_known)
			snprintf(build_id, sizeof(build_id), "%.*s", (int)object->elf.build_id_len,
				 (const char *)object->elf.build_id);
	} else if (FRAME_KIND(word) == FRAME_FILE) {
		name = "[file table full]";
	}
	r = profile_add_string(s->profile, name, &mapping.file);
	if (!r)
		r = profile_add_string(s->profile, build_id, &mapping.build_id);
	return r ? r : profile_add_mapping(s->profile, &mapping, ret);
}

/* Answers what is in memory; the batch's words that are left stand at its beginning. */
static int answer_from_memory(struct batch *batch)
{
	struct symbolize *s = batch->s;
	struct symcache_entry entry;
	size_t left = 0;

	for (size_t i = 0; i < batch->nr; i++) {
		uint64_t word = s->words[batch->first + i];
		int r;

		if (!symcache_get(s->config.cache, word_of_content(batch, word), &entry)) {
			s->words[batch->first + left++] = word;
			continue;
		}
		s->counts.cached++;
		s->counts.named += entry.answer.nr_frames > 0;
		r = add_answer(batch, word, &entry.answer, entry.frames);
		if (r)
			return r;
	}
	batch->nr = left;
	return 0;
}

static void on_kept(uint64_t offset, const struct symbolizer_answer *answer,
		    const struct symbolizer_frame *frames, void *userdata)
{
	struct batch *batch = userdata;
	struct symbolize *s = batch->s;
	uint64_t word = FRAME_MAKE_FILE(FRAME_FILE_ID(s->words[batch->first]), offset);

	if (offset <= UINT32_MAX &&
	    bsearch(&word, &s->words[batch->first], batch->nr, sizeof(word), compare_words))
		symcache_put(s->config.cache, word_of_content(batch, word), answer, frames);
}

/* Answers what earlier windows asked for, or an earlier run. */
static int answer_from_caches(struct batch *batch)
{
	struct symbolize *s = batch->s;
	struct objects_content content = content_of(batch);
	struct symdisk_key key;
	int r;

	batch->content = content.id;
	r = s->config.cache ? answer_from_memory(batch) : 0;
	if (r || !batch->nr || !s->config.disk || !content.object)
		return r;
	if (objects_key(content.object, &key)) {
		symdisk_get(s->config.disk, &key, on_kept, batch);
		r = answer_from_memory(batch);
	}
	if (!r && batch->nr)
		objects_want_content(s->config.objects, content.object->id);
	return r;
}

/* Does the symbolizer know anything of such words? */
static bool is_answerable(uint64_t word)
{
	return FRAME_KIND(word) == FRAME_FILE || FRAME_KIND(word) == FRAME_KERNEL ||
	       FRAME_KIND(word) == FRAME_SPECIAL;
}

static int plan_batches(struct symbolize *s)
{
	size_t first = 0;

	while (first < s->nr_words) {
		struct batch *batch = calloc(1, sizeof(*batch));
		uint64_t word = s->words[first];
		int r;

		if (!batch)
			return -ENOMEM;
		batch->s = s;
		batch->first = first;
		batch->mapping = UINT32_MAX;
		batch->next = s->batches;
		s->batches = batch;
		while (first < s->nr_words && batch_of(s->words[first]) == batch_of(word))
			first++;
		batch->nr = first - batch->first;
		if (FRAME_KIND(word) == FRAME_MARK)
			continue;
		r = add_mapping(s, word, &batch->mapping);
		if (!r && is_answerable(word))
			r = answer_from_caches(batch);
		if (r)
			return r;
		if (batch->nr && is_answerable(word) && send_batch(batch, NULL) < 0)
			s->counts.failed++;
	}
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
	r = collect_words(s);
	if (!r)
		r = plan_batches(s);
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
		struct batch *batch = s->batches;

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
static int add_unanswered(struct symbolize *s, const struct batch *batch, uint64_t word)
{
	struct profile_location location = { .mapping = batch->mapping,
					     .address = offset_of(word),
					     .kind = kind_of(word) };
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
	set_location(s, word, index);
	return 0;
}

static int fill_gaps(struct symbolize *s)
{
	for (const struct batch *batch = s->batches; batch; batch = batch->next) {
		s->counts.named += batch->nr_provisional;
		for (size_t i = batch->first; i < batch->first + batch->nr; i++) {
			const uint32_t *location = hashmap_get(s->location_of, &s->words[i]);
			int r = *location == UNKNOWN ? add_unanswered(s, batch, s->words[i]) : 0;

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
