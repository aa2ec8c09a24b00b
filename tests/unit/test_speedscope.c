/* Files for speedscope: valid JSON whatever the names are, frames that are there, weights that add up. */
#include "proto/speedscope.h"
#include "tests/fixtures/evil_names.h"
#include "tests/fixtures/known_profile.h"
#include "tests/test.h"

#include <errno.h>
#include <json-c/json.h>

#define OUT_MAX (64u << 20)

/* Parses it, and follows every index. Returns the sum of all weights; *ret_frames is to be put. */
static uint64_t check(const struct profile *p, struct json_object **ret_frames)
{
	struct json_tokener *tokener = json_tokener_new();
	_cleanup_(buf_deinitp) struct buf out;
	struct json_object *root, *shared, *frames, *profiles;
	uint64_t total = 0;

	buf_init(&out, OUT_MAX);
	CHECK_INT(speedscope_write(p, "a \"title\"", &out), 0);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(tokener, out.data, (int)out.len);
	CHECK(root && json_tokener_get_error(tokener) == json_tokener_success);
	json_tokener_free(tokener);
	CHECK_STR(json_object_get_string(json_object_object_get(root, "name")), "a \"title\"");
	CHECK(json_object_object_get_ex(root, "shared", &shared));
	CHECK(json_object_object_get_ex(shared, "frames", &frames));
	CHECK(json_object_object_get_ex(root, "profiles", &profiles));
	for (size_t i = 0; i < json_object_array_length(profiles); i++) {
		struct json_object *one = json_object_array_get_idx(profiles, i);
		struct json_object *samples = json_object_object_get(one, "samples");
		struct json_object *weights = json_object_object_get(one, "weights");
		uint64_t sum = 0;

		CHECK_STR(json_object_get_string(json_object_object_get(one, "type")), "sampled");
		CHECK_INT(json_object_array_length(samples), json_object_array_length(weights));
		for (size_t j = 0; j < json_object_array_length(samples); j++) {
			struct json_object *stack = json_object_array_get_idx(samples, j);

			for (size_t k = 0; k < json_object_array_length(stack); k++)
				CHECK((size_t)json_object_get_int64(json_object_array_get_idx(
					      stack, k)) < json_object_array_length(frames));
			sum += (uint64_t)json_object_get_int64(
				json_object_array_get_idx(weights, j));
		}
		CHECK_INT(sum, json_object_get_int64(json_object_object_get(one, "endValue")));
		total += sum;
	}
	*ret_frames = json_object_get(frames);
	json_object_put(root);
	return total;
}

static bool has_frame(struct json_object *frames, const char *name, const char *file)
{
	for (size_t i = 0; i < json_object_array_length(frames); i++) {
		struct json_object *frame = json_object_array_get_idx(frames, i);
		const char *is = json_object_get_string(json_object_object_get(frame, "name"));
		const char *in = json_object_get_string(json_object_object_get(frame, "file"));

		if (is && !strcmp(is, name) && (!file || (in && !strcmp(in, file))))
			return true;
	}
	return false;
}

static void test_known(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	struct json_object *frames;
	struct profile_view view;
	uint64_t total = 0;

	profile_view(p, &view);
	for (size_t i = 0; i < view.nr_samples; i++)
		total += view.samples[i].value_ns;
	CHECK(total > 0);
	CHECK_INT(check(p, &frames), total);
	CHECK(has_frame(frames, "ns::hot(int)", NULL));
	CHECK(has_frame(frames, "libc.so.6!0x1234", NULL));
	json_object_put(frames);
}

static void test_evil_names(void)
{
	_cleanup_(profile_freep) struct profile *p =
		known_evil_profile(evil_names, ARRAY_SIZE(evil_names));
	struct json_object *frames;

	check(p, &frames);
	CHECK(has_frame(frames, "</script><script>document.title='pwned'</script>", NULL));
	CHECK(has_frame(frames, "\\\"", NULL));
	json_object_put(frames);
}

static void test_empty_and_full(void)
{
	_cleanup_(profile_freep) struct profile *p = NULL, *known = known_profile();
	_cleanup_(buf_deinitp) struct buf small;
	struct json_object *frames;

	CHECK_INT(profile_new(&p), 0);
	CHECK_INT(check(p, &frames), 0);
	json_object_put(frames);
	buf_init(&small, 100);
	CHECK_INT(speedscope_write(known, "t", &small), -ENOSPC);
}

int main(void)
{
	RUN(test_known);
	RUN(test_evil_names);
	RUN(test_empty_and_full);
	return 0;
}
