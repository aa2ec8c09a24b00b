/* Answers as bytes. */
#include "symbolizer/codec.h"
#include "agent/base/intern.h"
#include "proto/symwire.h"

#include <errno.h>
#include <string.h>

static int intern(struct intern *strings, const char *s, uint32_t *ret)
{
	int r = intern_add(strings, s, strlen(s), ret);

	return r > 0 ? -ENOSPC : r;
}

/* Ids of the table become offsets into its strings, laid out one behind the other. */
static uint32_t *offsets_of(const struct intern *strings, uint32_t *ret_size)
{
	uint32_t *offsets = calloc(intern_count(strings), sizeof(*offsets)), at = 0;

	for (uint32_t i = 0; offsets && i < intern_count(strings); i++) {
		size_t len;

		intern_get(strings, i, &len);
		offsets[i] = at;
		at += (uint32_t)len + 1;
	}
	*ret_size = at;
	return offsets;
}

static int add_strings(const struct intern *strings, struct buf *out)
{
	for (uint32_t i = 0; i < intern_count(strings); i++) {
		size_t len;
		const char *s = intern_get(strings, i, &len);

		buf_add(out, s, len + 1);
	}
	return out->error;
}

static int encode_tables(const struct symbolizer_result *result, struct intern *strings,
			 struct symwire_frame *frames, struct buf *out)
{
	struct symwire_frames head = { .nr_answers = (uint32_t)result->nr_answers,
				       .nr_frames = (uint32_t)result->nr_frames };
	_cleanup_(freep) uint32_t *offsets = offsets_of(strings, &head.strings_size);

	if (!offsets)
		return -ENOMEM;
	buf_add(out, &head, sizeof(head));
	for (size_t i = 0; i < result->nr_answers; i++) {
		const struct symbolizer_answer *a = &result->answers[i];
		struct symwire_answer answer = { .vaddr = a->vaddr,
						 .first_frame = a->first_frame,
						 .nr_frames = a->nr_frames,
						 .source = a->source,
						 .less = a->less };

		buf_add(out, &answer, sizeof(answer));
	}
	for (size_t i = 0; i < result->nr_frames; i++) {
		frames[i].name = offsets[frames[i].name];
		frames[i].system_name = offsets[frames[i].system_name];
		frames[i].file = offsets[frames[i].file];
		buf_add(out, &frames[i], sizeof(frames[i]));
	}
	return add_strings(strings, out);
}

int codec_encode_frames(const struct symbolizer_result *result, struct buf *out)
{
	_cleanup_(freep) struct symwire_frame *frames =
		calloc(result->nr_frames + 1, sizeof(*frames));
	_cleanup_(intern_freep) struct intern *strings = NULL;
	int r = intern_new(&strings, SYMWIRE_ANSWER_MAX);

	if (!frames)
		return -ENOMEM;
	for (size_t i = 0; i < result->nr_frames && !r; i++) {
		const struct symbolizer_frame *from = &result->frames[i];

		frames[i] = (struct symwire_frame) { .line = from->line,
						     .column = from->column,
						     .start_line = from->start_line,
						     .inlined = from->inlined };
		r = intern(strings, from->name, &frames[i].name);
		if (!r)
			r = intern(strings, from->system_name, &frames[i].system_name);
		if (!r)
			r = intern(strings, from->file, &frames[i].file);
	}
	return r ? r : encode_tables(result, strings, frames, out);
}

static bool check_frames(const struct symwire_frames *head, const struct symwire_answer *answers,
			 const struct symwire_frame *frames, const char *strings)
{
	if (head->nr_frames && (!head->strings_size || strings[head->strings_size - 1]))
		return false;
	for (uint32_t i = 0; i < head->nr_answers; i++) {
		if (answers[i].first_frame > head->nr_frames ||
		    answers[i].nr_frames > head->nr_frames - answers[i].first_frame ||
		    answers[i].source > SYMBOLIZER_JITDUMP || answers[i].less > SYMBOLIZER_LESS_ALL)
			return false;
	}
	for (uint32_t i = 0; i < head->nr_frames; i++) {
		if (frames[i].name >= head->strings_size ||
		    frames[i].system_name >= head->strings_size ||
		    frames[i].file >= head->strings_size || frames[i].inlined > 1 ||
		    !strings[frames[i].name])
			return false;
	}
	return true;
}

int codec_decode_frames(const void *data, size_t size, size_t nr_expected,
			struct symbolizer_result *ret)
{
	const struct symwire_frames *head = data;
	const struct symwire_answer *answers = (const void *)(head + 1);
	const struct symwire_frame *frames;
	const char *strings;
	struct symbolizer_result result = { .nr_answers = nr_expected };

	if (size < sizeof(*head) || head->nr_answers != nr_expected ||
	    size - sizeof(*head) != head->nr_answers * sizeof(*answers) +
					    (uint64_t)head->nr_frames * sizeof(*frames) +
					    head->strings_size)
		return -EBADMSG;
	frames = (const void *)(answers + head->nr_answers);
	strings = (const char *)(frames + head->nr_frames);
	if (!check_frames(head, answers, frames, strings))
		return -EBADMSG;
	result.nr_frames = head->nr_frames;
	result.answers = calloc(nr_expected + 1, sizeof(*result.answers));
	result.frames = calloc(result.nr_frames + 1, sizeof(*result.frames));
	if (!result.answers || !result.frames) {
		codec_result_deinit(&result);
		return -ENOMEM;
	}
	for (size_t i = 0; i < nr_expected; i++)
		result.answers[i] =
			(struct symbolizer_answer) { .first_frame = answers[i].first_frame,
						     .nr_frames = answers[i].nr_frames,
						     .vaddr = answers[i].vaddr,
						     .source = answers[i].source,
						     .less = (uint8_t)answers[i].less };
	for (size_t i = 0; i < result.nr_frames; i++)
		result.frames[i] =
			(struct symbolizer_frame) { .name = strings + frames[i].name,
						    .system_name = strings + frames[i].system_name,
						    .file = strings + frames[i].file,
						    .line = frames[i].line,
						    .column = frames[i].column,
						    .start_line = frames[i].start_line,
						    .inlined = frames[i].inlined };
	*ret = result;
	return 0;
}

void codec_result_deinit(struct symbolizer_result *result)
{
	free(result->answers);
	free(result->frames);
	*result = SYMBOLIZER_RESULT_NULL;
}

int codec_encode_containers(const struct symclient_container *containers, size_t nr,
			    struct buf *out)
{
	_cleanup_(freep) uint32_t *ids = calloc(nr * SYMWIRE_CONTAINER_STRINGS + 1, sizeof(*ids));
	_cleanup_(intern_freep) struct intern *strings = NULL;
	_cleanup_(freep) uint32_t *offsets = NULL;
	struct symwire_containers head = { .nr = (uint32_t)nr };
	int r = intern_new(&strings, SYMWIRE_ANSWER_MAX);

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < nr && !r; i++) {
		const char *const fields[SYMWIRE_CONTAINER_STRINGS] = {
			containers[i].id,  containers[i].name,      containers[i].image,
			containers[i].pod, containers[i].namespace, containers[i].container
		};

		for (size_t j = 0; j < SYMWIRE_CONTAINER_STRINGS && !r; j++)
			r = intern(strings, fields[j] ? fields[j] : "",
				   &ids[i * SYMWIRE_CONTAINER_STRINGS + j]);
	}
	if (r)
		return r;
	offsets = offsets_of(strings, &head.strings_size);
	if (!offsets)
		return -ENOMEM;
	buf_add(out, &head, sizeof(head));
	for (size_t i = 0; i < nr * SYMWIRE_CONTAINER_STRINGS; i++)
		buf_add(out, &offsets[ids[i]], sizeof(*offsets));
	return add_strings(strings, out);
}

int codec_decode_containers(const void *data, size_t size, struct symclient_container **ret,
			    size_t *ret_nr)
{
	const struct symwire_containers *head = data;
	const uint32_t *offsets = (const void *)(head + 1);
	struct symclient_container *containers;
	const char *strings;

	if (size < sizeof(*head) || head->nr > SYMWIRE_CONTAINERS_MAX ||
	    size - sizeof(*head) !=
		    head->nr * SYMWIRE_CONTAINER_STRINGS * sizeof(*offsets) + head->strings_size)
		return -EBADMSG;
	strings = (const char *)(offsets + (size_t)head->nr * SYMWIRE_CONTAINER_STRINGS);
	if (head->nr && (!head->strings_size || strings[head->strings_size - 1]))
		return -EBADMSG;
	for (size_t i = 0; i < (size_t)head->nr * SYMWIRE_CONTAINER_STRINGS; i++) {
		if (offsets[i] >= head->strings_size)
			return -EBADMSG;
	}
	containers = calloc(head->nr + 1, sizeof(*containers));
	if (!containers)
		return -ENOMEM;
	for (size_t i = 0; i < head->nr; i++) {
		const uint32_t *o = &offsets[i * SYMWIRE_CONTAINER_STRINGS];

		containers[i] = (struct symclient_container) { .id = strings + o[0],
							       .name = strings + o[1],
							       .image = strings + o[2],
							       .pod = strings + o[3],
							       .namespace = strings + o[4],
							       .container = strings + o[5] };
	}
	*ret = containers;
	*ret_nr = head->nr;
	return 0;
}
