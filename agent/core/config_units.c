/* Sizes and durations as people write them. */
#include "agent/base/clock.h"
#include "agent/core/config_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: formatting takes the first that fits. */
static const struct unit byte_units[] = {
	{ "TiB", 1ull << 40 },
	{ "GiB", 1ull << 30 },
	{ "MiB", 1ull << 20 },
	{ "KiB", 1ull << 10 },
	{ "B", 1 },
	{ NULL, 0 },
};
static const struct unit time_units[] = {
	{ "d", 86400 * NSEC_PER_SEC }, { "h", 3600 * NSEC_PER_SEC }, { "m", 60 * NSEC_PER_SEC },
	{ "s", NSEC_PER_SEC },         { "ms", NSEC_PER_MSEC },      { NULL, 0 },
};

/* Decimal digits, then a unit and nothing else. *s moves behind. */
static int parse_one(const char **s, const struct unit *units, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;
	size_t len;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	p += *p == ' ';
	len = strcspn(p, "0123456789 ");
	for (const struct unit *u = units; u->name; u++) {
		if (strlen(u->name) != len || strncmp(u->name, p, len))
			continue;
		*s = p + len;
		return __builtin_mul_overflow(v, u->factor, ret) ? -ERANGE : 0;
	}
	return -EINVAL;
}

int config_parse_bytes(const char *text, uint64_t *ret)
{
	_cleanup_(freep) char *with_unit = NULL;
	const char *s = text;
	uint64_t v;
	int r;

	if (*text && !text[strspn(text, "0123456789")]) {
		if (asprintf(&with_unit, "%sB", text) < 0)
			return -ENOMEM;
		s = with_unit;
	}
	r = parse_one(&s, byte_units, &v);
	if (r)
		return r;
	if (*s)
		return -EINVAL;
	*ret = v;
	return 0;
}

int config_parse_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t sum = 0, one;
	const char *s = text;

	do { /* "1h30m" */
		int r = parse_one(&s, time_units, &one);

		if (r)
			return r;
		if (__builtin_add_overflow(sum, one, &sum))
			return -ERANGE;
	} while (*s);
	*ret_ns = sum;
	return 0;
}

static void format(uint64_t v, const struct unit *units, char *ret, size_t size)
{
	const struct unit *u = units;

	while (u[1].name && (v < u->factor || v % u->factor))
		u++;
	snprintf(ret, size, "%" PRIu64 "%s", v / u->factor, u->name);
}

void config_format_bytes(uint64_t bytes, char ret[32])
{
	format(bytes, byte_units, ret, 32);
}

void config_format_duration(uint64_t ns, char ret[32])
{
	format(ns, time_units, ret, 32);
}
