/* Query strings of the page's API. */
#include "agent/exporter/web_params.h"
#include "agent/base/clock.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct rule {
	const char *name;
	enum web_param param;
	uint64_t min, max; /* of a number */
} rules[] = {
	{ "from", WEB_PARAM_FROM, 0, WEB_TIME_MAX_MS },
	{ "to", WEB_PARAM_TO, 0, WEB_TIME_MAX_MS },
	{ "owner", WEB_PARAM_OWNER, 0, INT64_MAX },
	{ "base_from", WEB_PARAM_BASE_FROM, 0, WEB_TIME_MAX_MS },
	{ "base_to", WEB_PARAM_BASE_TO, 0, WEB_TIME_MAX_MS },
	{ "base_owner", WEB_PARAM_BASE_OWNER, 0, INT64_MAX },
	{ "points", WEB_PARAM_POINTS, 1, WEB_POINTS_MAX },
	{ "nodes", WEB_PARAM_NODES, 100, WEB_NODES_MAX },
	{ "format", WEB_PARAM_FORMAT, 0, 0 },
};

static const struct rule *find_rule(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (strlen(rules[i].name) == len && !memcmp(rules[i].name, name, len))
			return &rules[i];
	}
	return NULL;
}

static int set_format(struct web_params *p, const char *value, struct err *err)
{
	if (!strcmp(value, "pprof"))
		p->format = WEB_FORMAT_PPROF;
	else if (!strcmp(value, "folded"))
		p->format = WEB_FORMAT_FOLDED;
	else
		return err_set(err, -EINVAL, "format: neither pprof nor folded");
	return 0;
}

static void set_number(struct web_params *p, enum web_param param, uint64_t v)
{
	switch (param) {
	case WEB_PARAM_FROM:
		p->span.from_ns = v * NSEC_PER_MSEC;
		break;
	case WEB_PARAM_TO:
		p->span.to_ns = v * NSEC_PER_MSEC;
		break;
	case WEB_PARAM_OWNER:
		p->span.owner = (int64_t)v;
		break;
	case WEB_PARAM_BASE_FROM:
		p->base.from_ns = v * NSEC_PER_MSEC;
		break;
	case WEB_PARAM_BASE_TO:
		p->base.to_ns = v * NSEC_PER_MSEC;
		break;
	case WEB_PARAM_BASE_OWNER:
		p->base.owner = (int64_t)v;
		break;
	case WEB_PARAM_POINTS:
		p->points = (uint32_t)v;
		break;
	case WEB_PARAM_NODES:
		p->nodes = (uint32_t)v;
		break;
	case WEB_PARAM_FORMAT:
		break;
	}
}

/* One "name=value". */
static int set(struct web_params *p, const char *text, size_t len, unsigned int may,
	       struct err *err)
{
	const char *equals = memchr(text, '=', len);
	const struct rule *rule = equals ? find_rule(text, (size_t)(equals - text)) : NULL;
	char value[24]; /* the longest number has 19 digits */
	size_t nr = equals ? len - (size_t)(equals - text) - 1 : 0;
	uint64_t number;

	if (!rule || !(rule->param & may))
		return err_set(err, -EINVAL, "a parameter that this request does not have");
	if (p->given & rule->param)
		return err_set(err, -EINVAL, "%s: given twice", rule->name);
	if (nr >= sizeof(value))
		return err_set(err, -EINVAL, "%s: too long", rule->name);
	memcpy(value, equals + 1, nr);
	value[nr] = '\0';
	p->given |= rule->param;
	if (rule->param == WEB_PARAM_FORMAT)
		return set_format(p, value, err);
	if (sys_parse_u64(value, 10, rule->min, rule->max, &number) < 0)
		return err_set(err, -EINVAL, "%s: not a number from %" PRIu64 " to %" PRIu64,
			       rule->name, rule->min, rule->max);
	set_number(p, rule->param, number);
	return 0;
}

static int check(struct web_params *p, unsigned int must, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if ((must & rules[i].param) && !(p->given & rules[i].param))
			return err_set(err, -EINVAL, "%s: missing", rules[i].name);
	}
	if ((p->given & WEB_PARAM_BASE) && (p->given & WEB_PARAM_BASE) != WEB_PARAM_BASE)
		return err_set(err, -EINVAL, "base_from, base_to and base_owner go together");
	if ((p->given & WEB_PARAM_RANGE) && p->span.from_ns >= p->span.to_ns)
		return err_set(err, -EINVAL, "from: not before to");
	if ((p->given & WEB_PARAM_BASE) && p->base.from_ns >= p->base.to_ns)
		return err_set(err, -EINVAL, "base_from: not before base_to");
	return 0;
}

int web_params_parse(struct web_params *ret, const char *query, unsigned int may, unsigned int must,
		     struct err *err)
{
	struct web_params p = { .points = 120, .nodes = 100000 };
	size_t len = strlen(query);

	if (len > WEB_QUERY_MAX)
		return err_set(err, -EINVAL, "the query is longer than %d bytes", WEB_QUERY_MAX);
	while (len) {
		const char *end = memchr(query, '&', len);
		size_t nr = end ? (size_t)(end - query) : len;
		int r = set(&p, query, nr, may, err);

		if (r < 0)
			return r;
		query += nr + (end != NULL);
		len -= nr + (end != NULL);
		if (end && !len)
			return err_set(err, -EINVAL, "the query ends in &");
	}
	if (check(&p, must, err) < 0)
		return -EINVAL;
	*ret = p;
	return 0;
}
