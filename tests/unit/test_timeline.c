/* Windows end on the wall clock's minute, last by boot time, and survive a wall clock that is set. */
#include "agent/base/clock.h"
#include "agent/core/timeline.h"
#include "tests/test.h"

#define S NSEC_PER_SEC
#define MINUTE (60 * S)
#define WALL (1700000040ULL * S) /* a whole minute */
#define BOOT (5000 * S)

static void test_alignment(void)
{
	struct timeline t;

	timeline_open(&t, BOOT, WALL + 17 * S, MINUTE, false);
	CHECK_INT(t.close_boot_ns, BOOT + 43 * S);
	CHECK_INT(timeline_look(&t, BOOT + 42 * S, WALL + 59 * S), TIMELINE_GOES_ON);
	CHECK_INT(timeline_look(&t, BOOT + 43 * S, WALL + 60 * S), TIMELINE_CLOSES);
	CHECK_INT(timeline_start_wall(&t, TIMELINE_CLOSES, BOOT + 43 * S, WALL + 60 * S),
		  WALL + 17 * S);
	timeline_open(&t, BOOT, WALL, MINUTE, false);
	CHECK_INT(t.close_boot_ns, BOOT + MINUTE);
	/* a sliver is not worth a window */
	timeline_open(&t, BOOT, WALL + 59 * S + S / 2, MINUTE, false);
	CHECK_INT(t.close_boot_ns, BOOT + S / 2 + MINUTE);
	timeline_open(&t, BOOT, WALL + 59 * S, MINUTE, false);
	CHECK_INT(t.close_boot_ns, BOOT + S);
}

static void test_watched(void)
{
	struct timeline t;

	timeline_open(&t, BOOT, WALL, MINUTE, false);
	timeline_set_length(&t, BOOT + 12 * S, WALL + 12 * S, 10 * S);
	CHECK_INT(t.close_boot_ns, BOOT + 20 * S);
	timeline_set_length(&t, BOOT + 19 * S + S / 2, WALL + 19 * S + S / 2, 10 * S);
	CHECK_INT(t.close_boot_ns, BOOT + 20 * S); /* an old window may end at once */
	timeline_set_length(&t, BOOT + 19 * S, WALL + 19 * S, MINUTE);
	CHECK_INT(t.close_boot_ns, BOOT + MINUTE);
}

static void jump(int64_t by)
{
	struct timeline t;
	uint64_t before = WALL + 17 * S, after = before + 5 * S + (uint64_t)by;

	timeline_open(&t, BOOT, before, MINUTE, false);
	CHECK_INT(timeline_look(&t, BOOT + 5 * S, after), TIMELINE_JUMPED);
	CHECK(t.jumped);
	/* its start is by the clock that it began with */
	CHECK_INT(timeline_start_wall(&t, TIMELINE_JUMPED, BOOT + 5 * S, after), before);
	timeline_open(&t, BOOT + 5 * S, after, MINUTE, true);
	CHECK(t.jumped);
	CHECK_INT(timeline_look(&t, BOOT + 6 * S, after + S), TIMELINE_GOES_ON);
	CHECK_INT(t.close_boot_ns - (BOOT + 5 * S), MINUTE - after % MINUTE);
}

static void test_jumps(void)
{
	struct timeline t;

	jump(3600 * (int64_t)S);
	jump(-3600 * (int64_t)S);
	jump((int64_t)S + 1);
	jump(-(int64_t)S - 1);
	jump(-(int64_t)(WALL - 1000 * S)); /* to 1970 */
	/* what NTP slews is no jump, and the window's start is by the clock of its close */
	timeline_open(&t, BOOT, WALL, MINUTE, false);
	CHECK_INT(timeline_look(&t, BOOT + MINUTE, WALL + MINUTE - S), TIMELINE_CLOSES);
	CHECK(!t.jumped);
	CHECK_INT(timeline_start_wall(&t, TIMELINE_CLOSES, BOOT + MINUTE, WALL + MINUTE - S),
		  WALL - S);
}

/* Suspend: boot time goes on as the wall clock does, and the window is only long. */
static void test_suspend(void)
{
	struct timeline t;

	timeline_open(&t, BOOT, WALL, MINUTE, false);
	CHECK_INT(timeline_look(&t, BOOT + 3600 * S, WALL + 3600 * S), TIMELINE_CLOSES);
	CHECK(!t.jumped);
}

static void test_seconds(void)
{
	CHECK_INT(timeline_next(BOOT, 1000 * S, S), BOOT + S);
	CHECK_INT(timeline_next(BOOT, 1000 * S + S / 4, S), BOOT + S - S / 4);
	CHECK_INT(timeline_next(BOOT, 1000 * S + S / 4, 2 * S), BOOT + 2 * S - S / 4);
	CHECK_INT(timeline_next(BOOT, 1001 * S, 2 * S), BOOT + S);
}

static void test_doubt(void)
{
	CHECK(!timeline_is_doubtful(WALL, WALL, false));
	CHECK(!timeline_is_doubtful(WALL - 9 * MINUTE, WALL, false));
	CHECK(timeline_is_doubtful(WALL - 11 * MINUTE, WALL, false));
	CHECK(!timeline_is_doubtful(WALL - 11 * MINUTE, WALL, true)); /* the kernel knows better */
	CHECK(timeline_is_doubtful(0, WALL, false));
}

int main(void)
{
	RUN(test_alignment);
	RUN(test_watched);
	RUN(test_jumps);
	RUN(test_suspend);
	RUN(test_seconds);
	RUN(test_doubt);
	return 0;
}
