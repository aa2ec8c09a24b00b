/* The flame graph's tree: in steps or at once the same, and folding loses nothing. */
#include "proto/flamegraph.h"
#include "tests/fixtures/evil_names.h"
#include "tests/fixtures/known_profile.h"
#include "tests/test.h"

#include <inttypes.h>

static void write_steps(const struct flamegraph_config *config, size_t samples, struct buf *out)
{
	_cleanup_(flamegraph_freep) struct flamegraph *g = NULL;
	int r, steps = 0;

	buf_init(out, 64u << 20);
	CHECK_INT(flamegraph_new(&g, config), 0);
	while ((r = flamegraph_step(g, samples, out)) > 0)
		steps++;
	CHECK_INT(r, 0);
	CHECK(steps > 5);
}

/* The sum of a column of the nodes, which is the last of its name. */
static uint64_t sum_of(const struct buf *json, const char *column, size_t *ret_nr)
{
	char key[32];
	const char *at = buf_str(json), *next;
	uint64_t sum = 0;

	snprintf(key, sizeof(key), "\"%s\":[", column);
	while ((next = strstr(at, key)))
		at = next + strlen(key);
	CHECK(at != json->data);
	for (*ret_nr = 0; *at != ']'; ++*ret_nr) {
		sum += strtoull(at, (char **)&at, 10);
		at += *at == ',';
	}
	return sum;
}

static void test_steps_make_the_same(void)
{
	_cleanup_(profile_freep) struct profile *p =
		known_evil_profile(evil_names, ARRAY_SIZE(evil_names));
	struct flamegraph_config config = { .profile = p,
					    .owner = PROFILE_ALL_OWNERS,
					    .title = "t" };
	_cleanup_(buf_deinitp) struct buf steps = BUF_NULL, whole = BUF_NULL;

	write_steps(&config, 1, &steps);
	buf_init(&whole, 64u << 20);
	CHECK_INT(flamegraph_json(p, PROFILE_ALL_OWNERS, "t", &whole), 0);
	CHECK_STR(buf_str(&steps), buf_str(&whole));
}

static void test_folding_loses_nothing(void)
{
	_cleanup_(profile_freep) struct profile *p = known_big_profile(3000, 20);
	struct flamegraph_config config = { .profile = p,
					    .owner = PROFILE_ALL_OWNERS,
					    .title = "" };
	_cleanup_(buf_deinitp) struct buf all = BUF_NULL, few = BUF_NULL;
	size_t nr_all, nr_few, nr;

	write_steps(&config, 100, &all);
	config.max_nodes = 500;
	write_steps(&config, 100, &few);
	CHECK(sum_of(&all, "ns", &nr_all) == sum_of(&few, "ns", &nr_few));
	CHECK(sum_of(&all, "count", &nr) == sum_of(&few, "count", &nr));
	CHECK(nr_all > 1000 && nr_few <= 500 && nr_few > 10);
	CHECK(strstr(buf_str(&few), "\"[other]\"") && !strstr(buf_str(&all), "\"[other]\""));
	CHECK(few.len < all.len / 2);
}

static void test_a_base_stands_beside(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile(), *base = known_profile();
	struct flamegraph_config config = {
		.profile = p, .base = base, .owner = KNOWN_WEB, .title = ""
	};
	_cleanup_(buf_deinitp) struct buf out = BUF_NULL, alone = BUF_NULL, without = BUF_NULL;
	size_t nr;

	write_steps(&config, 3, &out);
	buf_init(&alone, 1u << 20);
	CHECK_INT(flamegraph_json(p, PROFILE_ALL_OWNERS, "", &alone), 0);
	CHECK(sum_of(&out, "base_ns", &nr) == sum_of(&alone, "ns", &nr));
	CHECK(sum_of(&out, "ns", &nr) < sum_of(&out, "base_ns", &nr));
	CHECK(strstr(buf_str(&out),
		     "ssh.service")); /* the base's owner, though it is not in the profile */
	config.without_owners = true;
	write_steps(&config, 3, &without);
	CHECK(strstr(buf_str(&without), "\"owners\":[]"));
}

int main(void)
{
	RUN(test_steps_make_the_same);
	RUN(test_folding_loses_nothing);
	RUN(test_a_base_stands_beside);
	return 0;
}
