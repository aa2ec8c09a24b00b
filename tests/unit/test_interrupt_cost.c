/* How far a rate is lowered by what an interrupt costs. */
#include "agent/core/interrupt_cost.h"
#include "tests/test.h"

static void test_limit(void)
{
	/* What every machine can bear stays. */
	CHECK_INT(interrupt_cost_limit(1, 1e9), 1);
	CHECK_INT(interrupt_cost_limit(INTERRUPT_COST_SAFE_HZ, 1e9), INTERRUPT_COST_SAFE_HZ);
	/* Hardware's 2 µs, and the slowest machines'. */
	CHECK_INT(interrupt_cost_limit(10000, 2000), 10000);
	CHECK_INT(interrupt_cost_limit(10000, 1e9), INTERRUPT_COST_SAFE_HZ);
	/* Half of each CPU: at 44 µs and the sample's own 6, 10,000 a second. */
	CHECK_INT(interrupt_cost_limit(10000, 44000), 10000);
	CHECK_INT(interrupt_cost_limit(10001, 44000), 10000);
	CHECK_INT(interrupt_cost_limit(10000, 94000), 5000);
}

/* Measured or not: no more than wanted, and no less than is safe. */
static void test_affordable(void)
{
	uint32_t rate = interrupt_cost_affordable(100000);

	CHECK_INT(interrupt_cost_affordable(19), 19);
	CHECK(rate >= INTERRUPT_COST_SAFE_HZ && rate <= 100000);
}

int main(void)
{
	RUN(test_limit);
	RUN(test_affordable);
	return 0;
}
