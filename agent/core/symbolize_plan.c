/* Which words of a window need a name, and which of these are known already. */
#include "agent/core/symbolize_internal.h"

#include <errno.h>
#include <stdio.h>

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
		*(uint32_t *)location = SYMBOLIZE_UNKNOWN;
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
static int answer_from_memory(struct symbolize_batch *batch)
{
	struct symbolize *s = batch->s;
	struct symcache_entry entry;
	size_t left = 0;

	for (size_t i = 0; i < batch->nr; i++) {
		uint64_t word = s->words[batch->first + i];
		int r;

		if (!symcache_get(s->config.cache, symbolize_word_of_content(batch, word),
				  &entry)) {
			s->words[batch->first + left++] = word;
			continue;
		}
		s->counts.cached++;
		s->counts.named += entry.answer.nr_frames > 0;
		r = symbolize_add_answer(batch, word, &entry.answer, entry.frames);
		if (r)
			return r;
	}
	batch->nr = left;
	return 0;
}

static void on_kept(uint64_t offset, const struct symbolizer_answer *answer,
		    const struct symbolizer_frame *frames, void *userdata)
{
	struct symbolize_batch *batch = userdata;
	struct symbolize *s = batch->s;
	uint64_t word = FRAME_MAKE_FILE(FRAME_FILE_ID(s->words[batch->first]), offset);

	if (offset <= UINT32_MAX &&
	    bsearch(&word, &s->words[batch->first], batch->nr, sizeof(word), compare_words))
		symcache_put(s->config.cache, symbolize_word_of_content(batch, word), answer,
			     frames);
}

/* Answers what earlier windows asked for, or an earlier run. */
static int answer_from_caches(struct symbolize_batch *batch)
{
	struct symbolize *s = batch->s;
	struct objects_content content = symbolize_content_of(batch);
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

static int make_batches(struct symbolize *s)
{
	size_t first = 0;

	while (first < s->nr_words) {
		struct symbolize_batch *batch = calloc(1, sizeof(*batch));
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
		if (batch->nr && is_answerable(word) && symbolize_send(batch, NULL) < 0)
			s->counts.failed++;
	}
	return 0;
}

int symbolize_plan(struct symbolize *s)
{
	int r = collect_words(s);

	return r ? r : make_batches(s);
}
