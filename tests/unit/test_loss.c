/* The loss equation: it balances, or says which of its lines does not. */
#include "agent/core/loss.h"
#include "agent/core/sampler_counters.h"
#include "tests/test.h"

/* A window of which every line is different, and which balances. */
static struct loss balanced(void)
{
	struct loss loss = {
		.sampler = { .expected = 1000,
			     .runs = 990,
			     .asleep = 5,
			     .late = 4,
			     .missed = 3,
			     .early = 2,
			     .early_max = 3,
			     .malformed = 3,
			     .received = 797 },
		.in_profile = 790,
		.refused = 7,
	};
	uint64_t *c = loss.sampler.bpf;

	c[COUNTER_RUNS] = 990;
	c[COUNTER_IDLE] = 100;
	c[COUNTER_FILTERED] = 40;
	c[COUNTER_UNSUPPORTED] = 5;
	c[COUNTER_LOST_RING_FULL] = 20;
	c[COUNTER_LOST_NESTED] = 2;
	c[COUNTER_LOST_SCRATCH] = 1;
	c[COUNTER_SAMPLED] = 822;
	c[COUNTER_RECORDS] = 800;
	c[COUNTER_HOT] = 22;
	c[COUNTER_MAP_RACE] = 77; /* details, no part of the equation */
	return loss;
}

static void test_balances(void)
{
	struct loss loss = balanced(), nothing = { .in_profile = 0 };
	struct err err = ERR_NULL;

	CHECK(loss_balances(&loss, &err));
	CHECK_STR(err.text, "");
	CHECK_INT(loss_in_kernel(&loss.sampler), 23);
	CHECK(loss_balances(&nothing, &err));
}

/* One more or one less of anything that counts, and it says where. */
static void test_every_line_counts(void)
{
	struct loss loss;
	struct err err;
	const struct {
		uint64_t *counter;
		const char *line;
	} cases[] = {
		{ &loss.sampler.expected, "expected + early = runs + asleep + late + missed" },
		{ &loss.sampler.early, "expected + early = runs + asleep + late + missed" },
		{ &loss.sampler.asleep, "expected + early = runs + asleep + late + missed" },
		{ &loss.sampler.late, "expected + early = runs + asleep + late + missed" },
		{ &loss.sampler.missed, "expected + early = runs + asleep + late + missed" },
		{ &loss.sampler.runs, "expected + early = runs + asleep + late + missed" },
		{ &loss.sampler.bpf[COUNTER_IDLE], "runs = idle" },
		{ &loss.sampler.bpf[COUNTER_FILTERED], "runs = idle" },
		{ &loss.sampler.bpf[COUNTER_UNSUPPORTED], "runs = idle" },
		{ &loss.sampler.bpf[COUNTER_LOST_RING_FULL], "runs = idle" },
		{ &loss.sampler.bpf[COUNTER_LOST_NESTED], "runs = idle" },
		{ &loss.sampler.bpf[COUNTER_LOST_SCRATCH], "runs = idle" },
		{ &loss.sampler.bpf[COUNTER_SAMPLED], "runs = idle" },
		{ &loss.sampler.bpf[COUNTER_RECORDS], "sampled = records + hot" },
		{ &loss.sampler.bpf[COUNTER_HOT], "sampled = records + hot" },
		{ &loss.sampler.malformed, "records = received + malformed" },
		{ &loss.sampler.received, "records = received + malformed" },
		{ &loss.in_profile, "received = in profile + filtered" },
		{ &loss.left_out, "received = in profile + filtered" },
		{ &loss.refused, "received = in profile + filtered" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int by = -1; by <= 1; by += 2) {
			loss = balanced();
			err = ERR_NULL;
			*cases[i].counter += (uint64_t)by;
			CHECK(!loss_balances(&loss, &err));
			CHECK(!strncmp(err.text, cases[i].line, strlen(cases[i].line)));
			CHECK(!loss_balances(&loss, NULL));
		}
	}
}

/* Two clocks may differ by so much; more than that is no drift but a wrong count. */
static void test_early_is_bounded(void)
{
	struct loss loss = balanced();
	struct err err = ERR_NULL;

	loss.sampler.early += 2;
	loss.sampler.missed += 2;
	CHECK(!loss_balances(&loss, &err));
	CHECK(!strncmp(err.text, "early", 5));
}

/* Of two readings, the window between them: it balances, and nothing in it is negative. */
static void test_between(void)
{
	struct loss from = balanced(), to = balanced(), between;
	struct err err = ERR_NULL;

	to.sampler.expected += 50;
	to.sampler.runs += 49;
	to.sampler.missed += 3;
	to.sampler.early += 2;
	to.sampler.early_max += 5;
	to.sampler.bpf[COUNTER_RUNS] += 49;
	to.sampler.bpf[COUNTER_IDLE] += 40;
	to.sampler.bpf[COUNTER_SAMPLED] += 9;
	to.sampler.bpf[COUNTER_RECORDS] += 9;
	to.sampler.bpf[COUNTER_SELF_TIMED_MAX_NS] = 700;
	to.sampler.received += 9;
	to.in_profile += 5;
	to.left_out += 4;
	CHECK(loss_balances(&to, &err));
	loss_between(&from, &to, &between);
	CHECK(loss_balances(&between, &err));
	CHECK_INT(between.sampler.missed, 1);
	CHECK_INT(between.sampler.early, 0);
	CHECK_INT(between.sampler.bpf[COUNTER_IDLE], 40);
	CHECK_INT(between.sampler.bpf[COUNTER_SELF_TIMED_MAX_NS], 700);
	CHECK_INT(between.in_profile, 5);
	/* a CPU that was a sample behind, and is not any more */
	to.sampler.runs += 2;
	to.sampler.missed -= 2;
	to.sampler.bpf[COUNTER_RUNS] += 2;
	to.sampler.bpf[COUNTER_IDLE] += 2;
	loss_between(&from, &to, &between);
	CHECK(loss_balances(&between, &err));
	CHECK_INT(between.sampler.missed, 0);
	CHECK_INT(between.sampler.early, 1);
}

/* What a reading knew too little of may be taken back by the next: nothing gets negative, and it still balances. */
static void test_between_takes_back(void)
{
	struct loss from = balanced(), to = balanced(), between;
	struct err err = ERR_NULL;

	to.sampler.expected += 30;
	to.sampler.runs += 10;
	to.sampler.bpf[COUNTER_RUNS] += 10;
	to.sampler.bpf[COUNTER_IDLE] += 10;
	to.sampler.asleep += 25;
	to.sampler.late -= 2;
	to.sampler.missed -= 3;
	CHECK(loss_balances(&to, &err));
	loss_between(&from, &to, &between);
	CHECK(loss_balances(&between, &err));
	CHECK_INT(between.sampler.asleep, 20);
	CHECK_INT(between.sampler.late, 0);
	CHECK_INT(between.sampler.missed, 0);
	to.sampler.asleep -= 15;
	to.sampler.late += 7;
	to.sampler.missed += 8;
	loss_between(&from, &to, &between);
	CHECK(loss_balances(&between, &err));
	CHECK_INT(between.sampler.asleep, 10);
	CHECK_INT(between.sampler.late, 5);
	CHECK_INT(between.sampler.missed, 5);
}

/* One CPU's ticks: each has one reason, and none has more than there are. */
static void test_compare(void)
{
	const struct {
		uint64_t expected;
		struct sampler_cpu_counts cpu;
		uint64_t asleep, late, missed, early;
		unsigned int nr_silent;
	} cases[] = {
		{ 100, { .runs = 100 }, 0, 0, 0, 0, 0 },
		{ 100, { .runs = 101 }, 0, 0, 0, 1, 0 },
		{ 100, { .runs = 90, .asleep = 4, .late = 3 }, 4, 3, 3, 0, 0 },
		{ 100, { .runs = 98, .asleep = 4, .late = 3 }, 2, 0, 0, 0, 0 },
		{ 100, { .runs = 101, .asleep = 4, .late = 3 }, 0, 0, 0, 1, 0 },
		{ 100, { .runs = 0, .asleep = 99 }, 99, 0, 1, 0, 0 },
		{ 100, { .runs = 0 }, 0, 0, 100, 0, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sampler_counts counts = { .expected = 0 };

		sampler_counters_compare(&counts, 5, cases[i].expected, &cases[i].cpu);
		CHECK_INT(counts.asleep, cases[i].asleep);
		CHECK_INT(counts.late, cases[i].late);
		CHECK_INT(counts.missed, cases[i].missed);
		CHECK_INT(counts.early, cases[i].early);
		CHECK_INT(counts.nr_silent, cases[i].nr_silent);
		CHECK_INT(counts.silent_cpu, cases[i].nr_silent ? 5 : 0);
	}
}

/* What the person reads adds up too. */
static void test_lines(void)
{
	struct loss loss = balanced();
	static struct profile_meta meta;
	uint64_t lost = 0, expected = 0, rest = 0;

	loss_describe(&loss, &meta);
	for (size_t i = 0; i < meta.nr_losses; i++) {
		const struct profile_loss *line = &meta.losses[i];

		CHECK(line->name && *line->name);
		if (!strcmp(line->name, "expected"))
			expected = line->count;
		else if (!strncmp(line->name, "lost: ", 6))
			lost += line->count;
		else if (!strcmp(line->name, "early"))
			expected += line->count;
		else if (strcmp(line->name, "runs") && strcmp(line->name, "sampled"))
			rest += line->count;
	}
	CHECK_INT(expected, 1002);
	CHECK_INT(lost, 20 + 2 + 1 + 3 + 7);
	CHECK_INT(expected, rest + lost + loss.sampler.bpf[COUNTER_HOT]);
}

int main(void)
{
	RUN(test_balances);
	RUN(test_every_line_counts);
	RUN(test_early_is_bounded);
	RUN(test_between);
	RUN(test_between_takes_back);
	RUN(test_compare);
	RUN(test_lines);
	return 0;
}
