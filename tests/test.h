/*
 * The test harness: a test program is a list of functions that check; the first failed check ends it.
 *
 * Exit status: 0 passed, 1 failed, 77 skipped (ctest's SKIP_RETURN_CODE) with the reason on stdout.
 */
#ifndef FLEETPROF_TESTS_TEST_H
#define FLEETPROF_TESTS_TEST_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_SKIP 77

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);         \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define CHECK_INT(a, b)                                                                            \
	do {                                                                                       \
		int64_t check_a = (int64_t)(a), check_b = (int64_t)(b);                            \
		if (check_a != check_b) {                                                          \
			fprintf(stderr, "%s:%d: %s is %" PRId64 ", expected %s = %" PRId64 "\n",   \
				__FILE__, __LINE__, #a, check_a, #b, check_b);                     \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define CHECK_STR(a, b)                                                                            \
	do {                                                                                       \
		const char *check_a = (a), *check_b = (b);                                         \
		if (!check_a || strcmp(check_a, check_b)) {                                        \
			fprintf(stderr, "%s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__,        \
				__LINE__, #a, check_a ? check_a : "(null)", check_b);              \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define SKIP(...)                                                                                  \
	do {                                                                                       \
		printf("skipped: ");                                                               \
		printf(__VA_ARGS__);                                                               \
		printf("\n");                                                                      \
		exit(TEST_SKIP);                                                                   \
	} while (0)

#define RUN(test)                                                                                  \
	do {                                                                                       \
		fprintf(stderr, "  %s\n", #test);                                                  \
		test();                                                                            \
	} while (0)

#endif
