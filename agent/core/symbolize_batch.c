/* A batch of words: asking for their names, and taking the answers, files that these want included. */
#include "agent/core/symbolize_internal.h"
#include "agent/core/symbolize_location.h"
#include "agent/base/log.h"

#include <errno.h>

#define ATTEMPTS 3 /* of a batch that a dying symbolizer lost */
#define ROUNDS_MAX 64 /* of looking for files that a batch's answers want */

uint64_t symbolize_offset_of(uint64_t word)
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

enum profile_frame_kind symbolize_kind_of(uint64_t word)
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

void symbolize_set_location(struct symbolize *s, uint64_t word, uint32_t location)
{
	uint32_t *slot = hashmap_get(s->location_of, &word);

	if (slot)
		*slot = location;
}

int symbolize_add_answer(struct symbolize_batch *batch, uint64_t word,
			 const struct symbolizer_answer *answer,
			 const struct symbolizer_frame *frames)
{
	struct symbolize *s = batch->s;
	struct profile_location location = { .mapping = batch->mapping,
					     .address = answer->vaddr ? answer->vaddr
								      : symbolize_offset_of(word),
					     .kind = symbolize_kind_of(word) };
	uint32_t index;
	int r = symbolize_add_location(s->profile, location, frames, answer->nr_frames, &index);

	if (r)
		return r;
	symbolize_set_location(s, word, index);
	return 0;
}

/* The words' own file, whoever answers for it: further files are those of the root that it is mapped in. */
static const struct object *object_of(const struct symbolize_batch *batch)
{
	uint64_t word = batch->s->words[batch->first];

	return FRAME_KIND(word) == FRAME_FILE
		       ? objects_get(batch->s->config.objects, FRAME_FILE_ID(word))
		       : NULL;
}

/* Whose file answers for the batch's; nobody's for words that are of no known file. */
struct objects_content symbolize_content_of(const struct symbolize_batch *batch)
{
	const struct object *object = object_of(batch);

	return object ? objects_content(batch->s->config.objects, object)
		      : (struct objects_content) { .object = NULL };
}

/* Something of a content that is shared, which was changed while it was read: it answers for nobody. */
static bool is_outdated(const struct symbolize_batch *batch)
{
	return batch->content && batch->content != FRAME_FILE_ID(batch->s->words[batch->first]) &&
	       batch->content != symbolize_content_of(batch).id;
}

/* The word by which an answer is kept: that of the content that gave it. */
uint64_t symbolize_word_of_content(const struct symbolize_batch *batch, uint64_t word)
{
	return batch->content ? FRAME_MAKE_FILE(batch->content, FRAME_FILE_OFFSET(word)) : word;
}

/* What the batch waited for is there. NULL: the profile that wanted it is gone, and the batch with it. */
static struct symbolize *end_wait(struct symbolize_batch *batch)
{
	struct symbolize *s = batch->s;

	if (!s) {
		free(batch);
		return NULL;
	}
	batch->waiting = false;
	s->pending--;
	return s;
}

/* Asks again for the batch's words, which are those whose answers wanted something; if that fails, these stand. */
static void on_supplied(bool found, const struct supplements_given *give, void *userdata)
{
	struct symbolize_batch *batch = userdata;
	struct symbolize *s = end_wait(batch);
	int r = 0;

	if (!s)
		return;
	if (is_outdated(batch) && batch->attempts < ATTEMPTS)
		r = symbolize_send(batch, NULL);
	else if (found && batch->rounds++ < ROUNDS_MAX)
		r = symbolize_send(batch, give);
	s->counts.failed += r < 0;
}

static void look_for_files(struct symbolize_batch *batch, const struct symbolizer_result *result)
{
	struct symbolize *s = batch->s;

	batch->waiting = true;
	s->pending++;
	if (objects_supply(s->config.objects, object_of(batch)->id, result->wants, result->nr_wants,
			   &batch->given, on_supplied, batch) < 0) {
		batch->waiting = false;
		s->pending--;
	}
}

/* Does the answer want files that were not looked for yet? */
static bool wants_files(const struct symbolize_batch *batch, const struct symbolizer_result *result)
{
	const struct object *object = object_of(batch);

	return result->nr_wants && object &&
	       !objects_supplies_are_missing(object, result->wants, result->nr_wants);
}

static int take_answer(struct symbolize_batch *batch, uint64_t word,
		       const struct symbolizer_answer *answer,
		       const struct symbolizer_frame *frames, bool provisional)
{
	struct symbolize *s = batch->s;
	int r = symbolize_add_answer(batch, word, answer, frames);

	if (r < 0)
		return r;
	if (answer->nr_frames && provisional)
		batch->nr_provisional++;
	else if (answer->nr_frames)
		s->counts.named++;
	if (!provisional && FRAME_KIND(word) == FRAME_FILE)
		objects_add_less(s->config.objects, FRAME_FILE_ID(word), answer->less);
	if (s->config.cache && !provisional &&
	    symcache_put(s->config.cache, symbolize_word_of_content(batch, word), answer, frames) <
		    0)
		log_debug("an answer is not kept: out of memory");
	return 0;
}

/* Of what was hashed, and still is that (is_outdated() says so): for the next run, and for other containers. */
static void keep_on_disk(const struct symbolize_batch *batch,
			 const struct symbolizer_result *result)
{
	const struct symbolize *s = batch->s;
	const struct object *object = symbolize_content_of(batch).object;
	_cleanup_(freep) uint64_t *offsets = NULL;
	struct symdisk_key key;

	if (!s->config.disk || !object || batch->content != object->content_id ||
	    !objects_key(object, &key))
		return;
	offsets = calloc(batch->nr, sizeof(*offsets));
	if (!offsets)
		return;
	for (size_t i = 0; i < batch->nr; i++)
		offsets[i] = symbolize_offset_of(s->words[batch->first + i]);
	symdisk_put(s->config.disk, &key, offsets, result);
}

/* Words that are to be asked for again, with files that the answer wants, stay in the batch. */
static void take_answers(struct symbolize_batch *batch, const struct symbolizer_result *result)
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
	struct symbolize_batch *batch = userdata;
	struct symbolize *s = end_wait(batch);

	if (!s)
		return;
	if (is_outdated(batch))
		status = SYMCLIENT_LOST;
	if (status == SYMCLIENT_LOST && batch->attempts < ATTEMPTS && !symbolize_send(batch, NULL))
		return;
	if (status != SYMCLIENT_OK || result->nr_answers != batch->nr)
		s->counts.failed++;
	else
		take_answers(batch, result);
}

static int request(struct symbolize_batch *batch, const uint64_t *offsets,
		   const struct supplements_given *give)
{
	struct symbolize *s = batch->s;
	uint64_t word = s->words[batch->first];
	struct symclient_file file = { .key = SYMBOLIZE_KEY_VDSO, .fd = s->config.vdso_fd };
	struct objects_content content = symbolize_content_of(batch);
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

int symbolize_send(struct symbolize_batch *batch, const struct supplements_given *give)
{
	_cleanup_(freep) uint64_t *offsets = calloc(batch->nr, sizeof(*offsets));
	int r;

	if (!offsets)
		return -ENOMEM;
	for (size_t i = 0; i < batch->nr; i++)
		offsets[i] = symbolize_offset_of(batch->s->words[batch->first + i]);
	batch->attempts += !give;
	r = request(batch, offsets, give);
	if (r < 0)
		return r;
	batch->waiting = true;
	batch->s->pending++;
	batch->s->counts.batches++;
	return 0;
}
