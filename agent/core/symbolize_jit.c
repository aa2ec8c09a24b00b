/* Names of frames in generated code. */
#include "agent/core/symbolize_jit.h"
#include "agent/base/hashmap.h"
#include "agent/core/symbolize_location.h"

#include <linux/types.h>

#include "bpf/record.h"

#include <errno.h>
#include <string.h>

#define FRAMES_MAX (1u << 20) /* different (process, address) of a window */
#define ATTEMPTS 3 /* of a request that a dying symbolizer lost */

struct jit_key {
	uint64_t word;
	uint32_t process, pad;
};

struct request {
	struct symbolize_jit *s;
	size_t first, nr; /* of the keys */
	unsigned int attempts;
	struct window_process process;
};

struct symbolize_jit {
	struct symclient *symbolizer;
	const struct jitmaps *maps;
	struct profile *profile;
	struct hashmap *locations; /* struct jit_key → uint32_t location */
	struct jit_key *keys; /* by process, then ascending */
	size_t nr_keys, size_keys;
	struct request *requests;
	size_t nr_requests, pending;
	uint32_t mapping;
	bool abandoned; /* it was freed while requests were under way: the last answer does it */
};

static int compare_keys(const void *a, const void *b)
{
	const struct jit_key *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->word < y->word ? -1 : x->word > y->word;
}

static int add_key(struct symbolize_jit *s, uint32_t process, uint64_t word)
{
	if (s->nr_keys == s->size_keys) {
		size_t size = s->size_keys ? 2 * s->size_keys : 256;
		struct jit_key *more =
			size > 2 * FRAMES_MAX ? NULL : realloc(s->keys, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->keys = more;
		s->size_keys = size;
	}
	s->keys[s->nr_keys++] = (struct jit_key) { .word = word, .process = process };
	return 0;
}

static void sort_keys(struct symbolize_jit *s)
{
	size_t nr = 0;

	if (!s->nr_keys)
		return;
	qsort(s->keys, s->nr_keys, sizeof(*s->keys), compare_keys);
	for (size_t i = 0; i < s->nr_keys; i++) {
		if (!nr || compare_keys(&s->keys[nr - 1], &s->keys[i]))
			s->keys[nr++] = s->keys[i];
	}
	s->nr_keys = nr;
}

/* The words of processes that have a map; the others' stay without names, and cost nothing. */
static int collect(struct symbolize_jit *s, const struct window *window, const bool *has_map)
{
	for (size_t i = 0; i < window_rows(window); i++) {
		struct window_row row;

		window_row(window, i, &row);
		for (size_t j = 0; has_map[row.process] && j < row.nr_words; j++) {
			int r = FRAME_KIND(row.words[j]) == FRAME_ANON
					? add_key(s, row.process, row.words[j])
					: 0;

			if (r)
				return r;
		}
	}
	sort_keys(s);
	return 0;
}

static int add_answer(struct symbolize_jit *s, const struct jit_key *key,
		      const struct symbolizer_answer *answer, const struct symbolizer_frame *frames)
{
	struct profile_location location = { .mapping = s->mapping,
					     .address = key->word & FRAME_PAYLOAD_MASK,
					     .kind = PROFILE_FRAME_JIT };
	uint32_t index;
	void *value;
	int r;

	if (!answer->nr_frames)
		return 0;
	r = symbolize_add_location(s->profile, location, frames, answer->nr_frames, &index);
	if (!r)
		r = hashmap_put(s->locations, key, &value, NULL);
	if (!r)
		*(uint32_t *)value = index;
	return r;
}

static void release(struct symbolize_jit *s)
{
	hashmap_free(s->locations);
	free(s->keys);
	free(s->requests);
	free(s);
}

struct symbolize_jit *symbolize_jit_free(struct symbolize_jit *s)
{
	if (!s)
		return NULL;
	s->abandoned = true;
	if (!s->pending)
		release(s);
	return NULL;
}

static int send(struct request *request);

static void on_frames(enum symclient_status status, const struct symbolizer_result *result,
		      void *userdata)
{
	struct request *request = userdata;
	struct symbolize_jit *s = request->s;

	s->pending--;
	if (s->abandoned) {
		if (!s->pending)
			release(s);
		return;
	}
	if (status == SYMCLIENT_LOST && request->attempts < ATTEMPTS && !send(request))
		return;
	if (status != SYMCLIENT_OK || result->nr_answers != request->nr)
		return;
	for (size_t i = 0; i < request->nr; i++) {
		const struct symbolizer_answer *answer = &result->answers[i];

		if (add_answer(s, &s->keys[request->first + i], answer,
			       result->frames + answer->first_frame))
			return;
	}
}

static int send(struct request *request)
{
	_cleanup_(freep) uint64_t *addresses = calloc(request->nr, sizeof(*addresses));
	struct jitmaps_files files;
	struct symclient_file file;
	int r;

	if (!addresses)
		return -ENOMEM;
	/* Asked anew each time: the table may have let the map go meanwhile. */
	if (!jitmaps_files(request->s->maps, request->process.tgid, request->process.start_boot_ns,
			   &files))
		return -ENOENT;
	file = (struct symclient_file) { .key = SYMCLIENT_JIT_KEY(files.number),
					 .fd = files.fd,
					 .debug_fd = MAX(files.second_fd, 0) };
	for (size_t i = 0; i < request->nr; i++)
		addresses[i] = request->s->keys[request->first + i].word & FRAME_PAYLOAD_MASK;
	request->attempts++;
	r = symclient_jit(request->s->symbolizer, &file, addresses, request->nr, on_frames,
			  request);
	if (!r)
		request->s->pending++;
	return r;
}

static int send_requests(struct symbolize_jit *s, const struct window *window)
{
	size_t first = 0;

	while (first < s->nr_keys) {
		struct request *request = &s->requests[s->nr_requests++];
		uint32_t process = s->keys[first].process;

		window_process(window, process, &request->process);
		request->s = s;
		request->first = first;
		while (first < s->nr_keys && s->keys[first].process == process)
			first++;
		request->nr = first - request->first;
		if (send(request) < 0)
			return -EAGAIN;
	}
	return 0;
}

static int find_maps(const struct jitmaps *maps, const struct window *window, bool *has_map)
{
	size_t nr = 0;

	for (size_t i = 0; i < window_processes(window); i++) {
		struct jitmaps_files files;
		struct window_process p;

		window_process(window, i, &p);
		has_map[i] = jitmaps_files(maps, p.tgid, p.start_boot_ns, &files);
		nr += has_map[i];
	}
	return (int)nr;
}

static int prepare(struct symbolize_jit *s, size_t nr_maps)
{
	struct profile_mapping mapping = { .has_functions = true };
	int r = hashmap_new(&s->locations, sizeof(struct jit_key), sizeof(uint32_t), FRAMES_MAX);

	s->requests = calloc(nr_maps + 1, sizeof(*s->requests));
	if (!s->requests)
		return -ENOMEM;
	if (!r && nr_maps) {
		r = profile_add_string(s->profile, "//anon", &mapping.file);
		if (!r)
			r = profile_add_mapping(s->profile, &mapping, &s->mapping);
	}
	return r;
}

int symbolize_jit_new(struct symbolize_jit **ret, struct symclient *symbolizer,
		      const struct jitmaps *maps, const struct window *window,
		      struct profile *profile)
{
	_cleanup_(symbolize_jit_freep) struct symbolize_jit *s = calloc(1, sizeof(*s));
	_cleanup_(freep) bool *has_map = calloc(window_processes(window) + 1, sizeof(*has_map));
	int nr, r;

	if (!s || !has_map)
		return -ENOMEM;
	s->symbolizer = symbolizer;
	s->maps = maps;
	s->profile = profile;
	nr = find_maps(maps, window, has_map);
	r = prepare(s, (size_t)nr);
	if (!r && nr)
		r = collect(s, window, has_map);
	if (!r)
		r = send_requests(s, window);
	if (r && r != -EAGAIN) /* a symbolizer that takes no request costs names only */
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

size_t symbolize_jit_pending(const struct symbolize_jit *s)
{
	return s->pending;
}

bool symbolize_jit_location(const struct symbolize_jit *s, uint32_t process, uint64_t word,
			    uint32_t *ret)
{
	struct jit_key key = { .word = word, .process = process };
	const uint32_t *location = hashmap_get(s->locations, &key);

	if (location)
		*ret = *location;
	return location;
}
