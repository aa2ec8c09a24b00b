/* The profile model: equal entries are one, samples add up, bounds and repairs hold. */
#include "proto/profile.h"
#include "agent/base/clock.h"
#include "agent/base/text.h"
#include "tests/fixtures/evil_names.h"
#include "tests/test.h"

#include <errno.h>

static uint32_t string(struct profile *p, const char *s)
{
	uint32_t id;

	CHECK_INT(profile_add_string(p, s, &id), 0);
	return id;
}

static uint32_t named(struct profile *p, uint32_t mapping, uint64_t address, const char *name)
{
	struct profile_function f = { .name = string(p, name), .system_name = string(p, name) };
	struct profile_line line = { .line = 7 };
	struct profile_location l = { .mapping = mapping, .address = address, .nr_lines = 1 };
	uint32_t id;

	CHECK_INT(profile_add_function(p, &f, &line.function), 0);
	CHECK_INT(profile_add_location(p, &l, &line, &id), 0);
	return id;
}

/* One owner, one process, one mapping: index 0 each. */
static struct profile *small(void)
{
	struct profile *p = NULL;
	uint32_t id;

	CHECK_INT(profile_new(&p), 0);
	CHECK_INT(profile_add_owner(p, &(struct profile_owner) { .name = string(p, "web") }, &id),
		  0);
	CHECK_INT(profile_add_process(p, &(struct profile_process) { .tgid = 42 }, &id), 0);
	CHECK_INT(profile_add_mapping(
			  p, &(struct profile_mapping) { .file = string(p, "/usr/lib/libx.so") },
			  &id),
		  0);
	CHECK_INT(id, 0);
	return p;
}

static void test_equal_entries_are_one(void)
{
	_cleanup_(profile_freep) struct profile *p = small();
	struct profile_owner owner = { .name = string(p, "web"), .samples = 99 };
	struct profile_view view;
	uint32_t id;

	CHECK_INT(string(p, ""), 0);
	CHECK_INT(string(p, "a"), string(p, "a"));
	CHECK_INT(named(p, 0, 1, "f"), named(p, 0, 1, "f"));
	CHECK(named(p, 0, 1, "f") != named(p, 0, 2, "f"));
	CHECK(named(p, 0, 1, "f") != named(p, UINT32_MAX, 1, "f"));
	CHECK_INT(profile_add_owner(p, &owner, &id), 0);
	CHECK_INT(id, 0);
	profile_view(p, &view);
	CHECK_INT(view.nr_owners, 1);
	CHECK_INT(view.owners[0].samples, 0); /* counted by samples only */
	CHECK_INT(view.nr_locations, 3);
	CHECK_INT(view.nr_lines, 3);
	CHECK_INT(view.nr_functions, 1);
}

static void test_samples_add_up(void)
{
	_cleanup_(profile_freep) struct profile *p = small();
	uint32_t stack[] = { named(p, 0, 1, "leaf"), named(p, 0, 2, "root") };
	struct profile_sample s = { .count = 2, .value_ns = 20, .complete = true };
	struct profile_view view;

	CHECK_INT(profile_add_sample(p, &s, stack, 2), 0);
	CHECK_INT(profile_add_sample(p, &s, stack, 2), 0);
	CHECK_INT(profile_add_sample(p, &s, stack, 1), 0);
	CHECK_INT(profile_add_sample(p, &s, NULL, 0), 0);
	s.complete = false;
	CHECK_INT(profile_add_sample(p, &s, stack, 2), 0);
	s.thread_comm = string(p, "worker");
	CHECK_INT(profile_add_sample(p, &s, stack, 2), 0);
	profile_view(p, &view);
	CHECK_INT(view.nr_samples, 5);
	CHECK_INT(view.samples[0].count, 4);
	CHECK_INT(view.samples[0].value_ns, 40);
	CHECK_INT(view.samples[0].nr_locations, 2);
	CHECK_INT(view.stack_locations[view.samples[0].first_location + 1], stack[1]);
	CHECK_INT(view.samples[4].first_location, view.samples[0].first_location);
	CHECK_INT(view.nr_stack_locations, 3);
	CHECK_INT(view.owners[0].samples, 12);
	CHECK_INT(view.owners[0].value_ns, 120);
	CHECK_INT(view.dropped_samples, 0);
}

static void test_bound_is_counted(void)
{
	_cleanup_(profile_freep) struct profile *p = small();
	struct profile_sample s = { .count = 3, .value_ns = 30 };
	size_t nr = PROFILE_MAX_ENTRIES + 1;
	_cleanup_(freep) uint32_t *stack = calloc(nr, sizeof(*stack));
	struct profile_view view;

	CHECK(stack);
	named(p, 0, 1, "f");
	CHECK_INT(profile_add_sample(p, &s, stack, nr), -ENOSPC);
	CHECK_INT(profile_add_sample(p, &s, stack, 4), 0);
	profile_view(p, &view);
	CHECK_INT(view.nr_samples, 1);
	CHECK_INT(view.dropped_samples, 3);
	CHECK_INT(view.dropped_value_ns, 30);
	CHECK_INT(view.owners[0].samples, 3);
}

static void test_frame_names(void)
{
	_cleanup_(profile_freep) struct profile *p = small();
	struct profile_location l = { .mapping = 0, .address = 0x1234 };
	struct profile_function nameless = { .system_name = string(p, "_Z1fv") };
	struct profile_line line = { .line = 0 };
	char tmp[PROFILE_MAX_NAME];
	uint32_t id;

	CHECK_STR(profile_frame_name(p, named(p, 0, 1, "f(int)"), 0, tmp), "f(int)");
	CHECK_INT(profile_add_location(p, &l, NULL, &id), 0);
	CHECK_STR(profile_frame_name(p, id, 0, tmp), "libx.so!0x1234");
	l.mapping = UINT32_MAX;
	CHECK_INT(profile_add_location(p, &l, NULL, &id), 0);
	CHECK_STR(profile_frame_name(p, id, 0, tmp), "[unknown]!0x1234");
	l.address = 0;
	CHECK_INT(profile_add_location(p, &l, NULL, &id), 0);
	CHECK_STR(profile_frame_name(p, id, 0, tmp), "[unknown]");
	CHECK_INT(profile_add_function(p, &nameless, &line.function), 0);
	l.nr_lines = 1;
	CHECK_INT(profile_add_location(p, &l, &line, &id), 0);
	CHECK_STR(profile_frame_name(p, id, 0, tmp), "_Z1fv");
}

static void test_strings_are_repaired_and_cut(void)
{
	_cleanup_(profile_freep) struct profile *p = small();

	for (size_t i = 0; i < ARRAY_SIZE(evil_names); i++) {
		uint32_t id = string(p, evil_names[i]);
		const char *s = profile_string(p, id);

		CHECK(text_is_valid(s, strlen(s)));
		CHECK(strlen(s) <= PROFILE_MAX_STRING);
		CHECK_INT(string(p, s), id);
	}
	CHECK_STR(profile_string(p, string(p, "a\xffz")), "a\xef\xbf\xbdz");
}

/* A million samples of a hundred thousand stacks, 24 deep: in seconds even with sanitizers. */
static void test_many(void)
{
	_cleanup_(profile_freep) struct profile *p = small();
	struct profile_sample s = { .count = 1, .value_ns = 10 };
	uint64_t start = clock_mono_ns();
	struct profile_view view;
	uint32_t stack[24];
	char name[32];

	for (uint32_t i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "function_%u", i % 5000);
		CHECK_INT(named(p, 0, i + 1, name), i);
	}
	for (uint32_t i = 0; i < 1000000; i++) {
		for (uint32_t j = 0; j < ARRAY_SIZE(stack); j++)
			stack[j] = (i % 100000 * 7 + j * 131) % 20000;
		stack[3] = i % 100000 / 20000;
		CHECK_INT(profile_add_sample(p, &s, stack, ARRAY_SIZE(stack)), 0);
	}
	profile_view(p, &view);
	CHECK_INT(view.owners[0].samples, 1000000);
	CHECK_INT(view.nr_samples, 100000);
	fprintf(stderr, "    1,000,000 samples, %zu different, in %.3f s\n", view.nr_samples,
		(double)(clock_mono_ns() - start) / 1e9);
}

int main(void)
{
	RUN(test_equal_entries_are_one);
	RUN(test_samples_add_up);
	RUN(test_bound_is_counted);
	RUN(test_frame_names);
	RUN(test_strings_are_repaired_and_cut);
	RUN(test_many);
	return 0;
}
