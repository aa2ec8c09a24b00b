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

_Static_assert(SYMWIRE_WANT_ID_MAX == SYMBOLIZER_BUILD_ID_MAX, "an id has room");

/* The wants that fit, their strings among the others. */
static int intern_wants(const struct symbolizer_result *result, struct intern *strings,
			struct symwire_want *ret, uint32_t *ret_nr)
{
	uint32_t nr = 0;
	int r = 0;

	for (size_t i = 0; i < result->nr_wants && nr < SYMWIRE_WANTS_MAX && !r; i++) {
		const struct symbolizer_want *from = &result->wants[i];

		if (!*from->path || strlen(from->path) >= SYMWIRE_WANT_PATH_MAX ||
		    strlen(from->directory) >= SYMWIRE_WANT_PATH_MAX)
			continue;
		ret[nr] = (struct symwire_want) { .dwo_id = from->dwo_id,
						  .kind = from->kind,
						  .id_len = from->id_len };
		memcpy(ret[nr].id, from->id, from->id_len);
		r = intern(strings, from->path, &ret[nr].path);
		if (!r)
			r = intern(strings, from->directory, &ret[nr].directory);
		nr++;
	}
	*ret_nr = nr;
	return r;
}

static int encode_tables(const struct symbolizer_result *result, struct intern *strings,
			 struct symwire_want *wants, uint32_t nr_wants,
			 struct symwire_frame *frames, struct buf *out)
{
	struct symwire_frames head = { .nr_answers = (uint32_t)result->nr_answers,
				       .nr_wants = nr_wants,
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
	for (uint32_t i = 0; i < nr_wants; i++) {
		wants[i].path = offsets[wants[i].path];
		wants[i].directory = offsets[wants[i].directory];
		buf_add(out, &wants[i], sizeof(wants[i]));
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
	struct symwire_want wants[SYMWIRE_WANTS_MAX];
	uint32_t nr_wants = 0;
	int r = intern_new(&strings, SYMWIRE_ANSWER_MAX);

	if (!frames)
		return -ENOMEM;
	if (!r)
		r = intern_wants(result, strings, wants, &nr_wants);
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
	return r ? r : encode_tables(result, strings, wants, nr_wants, frames, out);
}

/* The parts of an answer of frames. */
struct parts {
	const struct symwire_frames *head;
	const struct symwire_answer *answers;
	const struct symwire_want *wants;
	const struct symwire_frame *frames;
	const char *strings;
};

static bool is_path(const struct parts *p, uint32_t offset)
{
	return offset < p->head->strings_size &&
	       strlen(p->strings + offset) < SYMWIRE_WANT_PATH_MAX;
}

static bool check_wants(const struct parts *p)
{
	for (uint32_t i = 0; i < p->head->nr_wants; i++) {
		const struct symwire_want *w = &p->wants[i];

		if ((w->kind != SYMBOLIZER_SUPPLEMENT_ALT &&
		     w->kind != SYMBOLIZER_SUPPLEMENT_SPLIT) ||
		    w->id_len > sizeof(w->id) || !is_path(p, w->path) || !p->strings[w->path] ||
		    !is_path(p, w->directory) ||
		    (w->kind == SYMBOLIZER_SUPPLEMENT_ALT) != (w->id_len > 0))
			return false;
	}
	return true;
}

static bool check_frames(const struct parts *p)
{
	const struct symwire_frames *head = p->head;
	const struct symwire_answer *answers = p->answers;
	const struct symwire_frame *frames = p->frames;
	const char *strings = p->strings;

	if ((head->nr_frames || head->nr_wants) &&
	    (!head->strings_size || strings[head->strings_size - 1]))
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

/* False: the sizes do not add up. */
static bool divide(const void *data, size_t size, size_t nr_expected, struct parts *ret)
{
	const struct symwire_frames *head = data;
	struct parts p = { .head = head, .answers = (const void *)(head + 1) };

	if (size < sizeof(*head) || head->nr_answers != nr_expected ||
	    head->nr_wants > SYMWIRE_WANTS_MAX ||
	    size - sizeof(*head) !=
		    head->nr_answers * sizeof(*p.answers) + head->nr_wants * sizeof(*p.wants) +
			    (uint64_t)head->nr_frames * sizeof(*p.frames) + head->strings_size)
		return false;
	p.wants = (const void *)(p.answers + head->nr_answers);
	p.frames = (const void *)(p.wants + head->nr_wants);
	p.strings = (const char *)(p.frames + head->nr_frames);
	*ret = p;
	return true;
}

static void take_answers(const struct parts *p, struct symbolizer_result *result)
{
	for (size_t i = 0; i < result->nr_answers; i++)
		result->answers[i] =
			(struct symbolizer_answer) { .first_frame = p->answers[i].first_frame,
						     .nr_frames = p->answers[i].nr_frames,
						     .vaddr = p->answers[i].vaddr,
						     .source = p->answers[i].source,
						     .less = (uint8_t)p->answers[i].less };
	for (size_t i = 0; i < result->nr_frames; i++)
		result->frames[i] =
			(struct symbolizer_frame) { .name = p->strings + p->frames[i].name,
						    .system_name =
							    p->strings + p->frames[i].system_name,
						    .file = p->strings + p->frames[i].file,
						    .line = p->frames[i].line,
						    .column = p->frames[i].column,
						    .start_line = p->frames[i].start_line,
						    .inlined = p->frames[i].inlined };
	for (size_t i = 0; i < result->nr_wants; i++) {
		struct symbolizer_want *w = &result->wants[i];

		*w = (struct symbolizer_want) { .kind = p->wants[i].kind,
						.path = p->strings + p->wants[i].path,
						.directory = p->strings + p->wants[i].directory,
						.id_len = p->wants[i].id_len,
						.dwo_id = p->wants[i].dwo_id };
		memcpy(w->id, p->wants[i].id, w->id_len);
	}
}

int codec_decode_frames(const void *data, size_t size, size_t nr_expected,
			struct symbolizer_result *ret)
{
	struct symbolizer_result result = { .nr_answers = nr_expected };
	struct parts p;

	if (!divide(data, size, nr_expected, &p) || !check_frames(&p) || !check_wants(&p))
		return -EBADMSG;
	result.nr_frames = p.head->nr_frames;
	result.nr_wants = p.head->nr_wants;
	result.answers = calloc(nr_expected + 1, sizeof(*result.answers));
	result.frames = calloc(result.nr_frames + 1, sizeof(*result.frames));
	result.wants = calloc(result.nr_wants + 1, sizeof(*result.wants));
	if (!result.answers || !result.frames || !result.wants) {
		codec_result_deinit(&result);
		return -ENOMEM;
	}
	take_answers(&p, &result);
	*ret = result;
	return 0;
}

void codec_result_deinit(struct symbolizer_result *result)
{
	free(result->answers);
	free(result->frames);
	free(result->wants);
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
