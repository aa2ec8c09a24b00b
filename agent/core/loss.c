/* The loss equation. */
#include "agent/core/loss.h"

#include <errno.h>
#include <inttypes.h>

uint64_t loss_in_kernel(const struct sampler_counts *c)
{
	uint64_t sum = 0;

	for (size_t i = COUNTER_LOST_FIRST; i <= COUNTER_LOST_LAST; i++)
		sum += c->bpf[i];
	return sum;
}

void loss_describe(const struct loss *loss, struct profile_meta *meta)
{
	const struct sampler_counts *c = &loss->sampler;
	const struct profile_loss lines[] = {
		{ "expected", c->expected },
		{ "runs", c->runs },
		{ "asleep", c->asleep },
		{ "late", c->late },
		{ "missed", c->missed },
		{ "early", c->early },
		{ "idle", c->bpf[COUNTER_IDLE] },
		{ "filtered", c->bpf[COUNTER_FILTERED] },
		{ "unsupported", c->bpf[COUNTER_UNSUPPORTED] },
		{ "sampled", c->bpf[COUNTER_SAMPLED] },
		{ "lost: ring full", c->bpf[COUNTER_LOST_RING_FULL] },
		{ "lost: nested event", c->bpf[COUNTER_LOST_NESTED] },
		{ "lost: no scratch", c->bpf[COUNTER_LOST_SCRATCH] },
		{ "lost: malformed record", c->malformed },
		{ "lost: profile full", loss->refused },
		{ "filtered by path", loss->left_out },
		{ "in profile", loss->in_profile },
	};

	_Static_assert(ARRAY_SIZE(lines) <= ARRAY_SIZE(meta->losses), "every line has a place");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		meta->losses[i] = lines[i];
	meta->nr_losses = ARRAY_SIZE(lines);
}

static bool equal(struct err *err, const char *what, uint64_t left, uint64_t right)
{
	if (left == right)
		return true;
	err_set(err, -EBADMSG, "%s: %" PRIu64 " against %" PRIu64, what, left, right);
	return false;
}

bool loss_balances(const struct loss *loss, struct err *err)
{
	const struct sampler_counts *c = &loss->sampler;
	uint64_t accounted = c->bpf[COUNTER_IDLE] + c->bpf[COUNTER_FILTERED] +
			     c->bpf[COUNTER_UNSUPPORTED] + c->bpf[COUNTER_SAMPLED] +
			     loss_in_kernel(c);

	if (c->early > c->early_max) {
		err_set(err, -EBADMSG, "early: %" PRIu64 ", at the most %" PRIu64 " are believable",
			c->early, c->early_max);
		return false;
	}
	return equal(err, "expected + early = runs + asleep + late + missed",
		     c->expected + c->early, c->runs + c->asleep + c->late + c->missed) &&
	       equal(err, "runs = idle + filtered + unsupported + sampled + lost", c->runs,
		     accounted) &&
	       equal(err, "sampled = records + hot", c->bpf[COUNTER_SAMPLED],
		     c->bpf[COUNTER_RECORDS] + c->bpf[COUNTER_HOT]) &&
	       equal(err, "records = received + malformed", c->bpf[COUNTER_RECORDS],
		     c->received + c->malformed) &&
	       equal(err, "received = in profile + filtered by path + refused", c->received,
		     loss->in_profile + loss->left_out + loss->refused);
}

/* Each CPU may be a sample ahead or behind at either reading: only the sum of all says something. */
static void compare_between(const struct sampler_counts *a, const struct sampler_counts *b,
			    struct sampler_counts *ret)
{
	int64_t rest = (int64_t)(b->expected - a->expected - (b->runs - a->runs));
	int64_t asleep = (int64_t)(b->asleep - a->asleep), late = (int64_t)(b->late - a->late);

	ret->expected = b->expected - a->expected;
	ret->runs = b->runs - a->runs;
	ret->early = rest < 0 ? (uint64_t)-rest : 0;
	rest = MAX(rest, 0);
	ret->asleep = (uint64_t)MIN(MAX(asleep, 0), rest);
	rest -= (int64_t)ret->asleep;
	ret->late = (uint64_t)MIN(MAX(late, 0), rest);
	ret->missed = (uint64_t)rest - ret->late;
}

void loss_between(const struct loss *from, const struct loss *to, struct loss *ret)
{
	const struct sampler_counts *a = &from->sampler, *b = &to->sampler;

	*ret = (struct loss) {
		.sampler = { .early_max = b->early_max,
			     .malformed = b->malformed - a->malformed,
			     .received = b->received - a->received },
		.in_profile = to->in_profile - from->in_profile,
		.refused = to->refused - from->refused,
		.left_out = to->left_out - from->left_out,
	};
	compare_between(a, b, &ret->sampler);
	for (size_t i = 0; i < COUNTER_NR; i++)
		ret->sampler.bpf[i] = b->bpf[i] - a->bpf[i];
	ret->sampler.bpf[COUNTER_SELF_TIMED_MAX_NS] = b->bpf[COUNTER_SELF_TIMED_MAX_NS];
}
