/* Ring records: what the wall lets through can be walked to its end without a further check. */
#include "agent/core/sampler_record.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_words(const struct sampler_sample *s, const __u64 *words, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		assert(FRAME_KIND(words[i]) != FRAME_NEVER);
		if (FRAME_KIND(words[i]) == FRAME_RECMAP)
			assert(s->maps[FRAME_RECMAP_INDEX(words[i])].start <
			       s->maps[FRAME_RECMAP_INDEX(words[i])].end);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) void *copy =
		malloc(size ? size : 1); /* ends where it ends, and is aligned */
	struct sampler_sample s;
	char path[SAMPLER_PATH_MAX];

	assert(copy);
	memcpy(copy, data, size);
	memset(path, 0xff, sizeof(path));
	if (sampler_check_record(copy, size, path, &s) < 0)
		return 0;
	assert((void *)s.head == copy && s.head->record.size == size);
	assert(strlen(s.head->comm) < RECORD_COMM_LEN &&
	       strlen(s.head->leader_comm) < RECORD_COMM_LEN);
	for (size_t i = 0; i < s.head->nr_maps; i++)
		assert(strlen(s.maps[i].name) < sizeof(s.maps[i].name));
	walk_words(&s, s.kernel_words, s.head->nr_words_kernel);
	walk_words(&s, s.user_words, s.head->nr_words_user);
	assert((const char *)(s.user_words + s.head->nr_words_user) == (const char *)copy + size);
	assert(!s.cgroup_path ||
	       (*s.cgroup_path == '/' && strlen(s.cgroup_path) < SAMPLER_PATH_MAX));
	return 0;
}
