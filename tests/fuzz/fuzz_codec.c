/* A symbolizer's answer, as a child that was taken over might write it: refused, or whole, and then it goes round. */
#include "proto/symwire.h"
#include "symbolizer/codec.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frames(const void *data, size_t size, size_t nr)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	struct symbolizer_result r, again;

	if (codec_decode_frames(data, size, nr, &r) < 0)
		return;
	assert(r.nr_answers == nr);
	for (size_t i = 0; i < r.nr_answers; i++)
		assert((uint64_t)r.answers[i].first_frame + r.answers[i].nr_frames <= r.nr_frames);
	for (size_t i = 0; i < r.nr_frames; i++)
		assert(strlen(r.frames[i].name) && strlen(r.frames[i].file) + 1 &&
		       strlen(r.frames[i].system_name) + 1);
	for (size_t i = 0; i < r.nr_wants; i++)
		assert(*r.wants[i].path && strlen(r.wants[i].path) < SYMWIRE_WANT_PATH_MAX &&
		       strlen(r.wants[i].directory) < SYMWIRE_WANT_PATH_MAX &&
		       r.wants[i].id_len <= SYMBOLIZER_BUILD_ID_MAX &&
		       r.wants[i].kind != SYMBOLIZER_SUPPLEMENT_DEBUG);
	buf_init(&b, SYMWIRE_ANSWER_MAX);
	assert(!codec_encode_frames(&r, &b));
	assert(!codec_decode_frames(b.data, b.len, nr, &again));
	for (size_t i = 0; i < r.nr_frames; i++)
		assert(!strcmp(r.frames[i].name, again.frames[i].name));
	assert(again.nr_wants == r.nr_wants);
	codec_result_deinit(&again);
	codec_result_deinit(&r);
}

static void check_containers(const void *data, size_t size)
{
	_cleanup_(freep) struct symclient_container *list = NULL, *again = NULL;
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	size_t nr, nr_again;

	if (codec_decode_containers(data, size, &list, &nr) < 0)
		return;
	assert(nr <= SYMWIRE_CONTAINERS_MAX);
	buf_init(&b, SYMWIRE_ANSWER_MAX);
	assert(!codec_encode_containers(list, nr, &b));
	assert(!codec_decode_containers(b.data, b.len, &again, &nr_again) && nr == nr_again);
	for (size_t i = 0; i < nr; i++)
		assert(!strcmp(list[i].id, again[i].id) && !strcmp(list[i].name, again[i].name) &&
		       !strcmp(list[i].container, again[i].container));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) void *copy = malloc(size ? size : 1);
	struct symwire_frames head = { .nr_answers = 0 };

	assert(copy);
	memcpy(copy, data, size);
	if (size >= sizeof(head))
		memcpy(&head, data, sizeof(head));
	/* The core knows how many it asked for; a lie about it is refused. */
	check_frames(copy, size, head.nr_answers % (SYMWIRE_ADDRESSES_MAX + 1));
	check_containers(copy, size);
	return 0;
}
