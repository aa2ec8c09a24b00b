/* Bytes and durations as people write them. */
#include "agent/base/clock.h"
#include "agent/core/config_internal.h"
#include "tests/test.h"

#include <errno.h>

static void test_units(void)
{
	char text[32];
	uint64_t v;

	CHECK_INT(config_parse_bytes("123", &v), 0);
	CHECK_INT(v, 123);
	CHECK_INT(config_parse_bytes("2 KiB", &v), 0);
	CHECK_INT(v, 2048);
	CHECK_INT(config_parse_bytes("", &v), -EINVAL);
	CHECK_INT(config_parse_bytes("KiB", &v), -EINVAL);
	CHECK_INT(config_parse_bytes("1KiB2", &v), -EINVAL);
	CHECK_INT(config_parse_bytes("18446744073709551616", &v), -ERANGE);
	CHECK_INT(config_parse_bytes("16777216TiB", &v), -ERANGE);
	CHECK_INT(config_parse_duration("1d2h3m4s5ms", &v), 0);
	CHECK_INT(v, (93784 * 1000ull + 5) * NSEC_PER_MSEC);
	CHECK_INT(config_parse_duration("1", &v), -EINVAL);
	CHECK_INT(config_parse_duration("", &v), -EINVAL);
	CHECK_INT(config_parse_duration("213503d213503d", &v), -ERANGE);
	config_format_bytes(128 << 20, text);
	CHECK_STR(text, "128MiB");
	config_format_bytes(0, text);
	CHECK_STR(text, "0B");
	config_format_duration(90 * NSEC_PER_SEC, text);
	CHECK_STR(text, "90s");
	config_format_duration(3600 * NSEC_PER_SEC, text);
	CHECK_STR(text, "1h");
}

int main(void)
{
	RUN(test_units);
	return 0;
}
