/* One setting's value: parsed, printed, compared, freed, by the type of its row. */
#include "agent/base/clock.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"
#include "agent/core/config_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What every CONFIG_LIST looks like. */
struct list {
	char *items;
	size_t nr;
};

void *config_value_member(const struct config_row *row, void *base)
{
	return (char *)base + row->offset;
}

static const void *member(const struct config_row *row, const void *base)
{
	return (const char *)base + row->offset;
}

static void describe_number(const struct config_row *row, struct buf *out)
{
	char min[32], max[32];

	switch (row->type) {
	case CONFIG_BYTES:
		config_format_bytes(row->min, min);
		config_format_bytes(row->max, max);
		buf_addf(out, "a size from %s to %s", min, max);
		return;
	case CONFIG_DURATION:
		config_format_duration(row->min, min);
		config_format_duration(row->max, max);
		buf_addf(out, "a duration from %s to %s", min, max);
		return;
	case CONFIG_PERCENT:
		buf_addf(out, "a share from %" PRIu64 "%% to %" PRIu64 "%%", row->min, row->max);
		return;
	case CONFIG_REAL:
		buf_addf(out, "a number from %g to %g", row->real_min, row->real_max);
		return;
	default:
		buf_addf(out, "a whole number from %" PRIu64 " to %" PRIu64, row->min, row->max);
	}
}

void config_value_describe(const struct config_row *row, struct buf *out)
{
	switch (row->type) {
	case CONFIG_BOOL:
		buf_adds(out, "true or false");
		break;
	case CONFIG_ENUM:
		buf_adds(out, "one of ");
		for (size_t i = 0; row->choices[i]; i++)
			buf_addf(out, "%s%s", i ? ", " : "", row->choices[i]);
		break;
	case CONFIG_STRING:
		buf_adds(out, "a text");
		break;
	case CONFIG_PATH:
		buf_adds(out, row->required ? "an absolute path" : "an absolute path or \"\"");
		break;
	case CONFIG_USER:
		buf_adds(out, "a user's name, UID or UID:GID");
		break;
	case CONFIG_STRINGS:
		buf_addf(out, "a list of at most %" PRIu64 " texts", row->max);
		break;
	case CONFIG_PAIRS:
		buf_addf(out, "a map of at most %" PRIu64 " names to texts", row->max);
		break;
	case CONFIG_LIST:
		buf_addf(out, "a list of at most %" PRIu64 " maps", row->max);
		break;
	default:
		describe_number(row, out);
	}
	if (row->automatic || row->type == CONFIG_USER)
		buf_adds(out, ", or auto");
}

static const char *hint(const struct config_row *row)
{
	return row->type == CONFIG_BYTES      ? " (with KiB, MiB, GiB or TiB)"
	       : row->type == CONFIG_DURATION ? " (with s, m, h or d)"
					      : "";
}

/* "SHOWN" is not a whole number from 1 to 10000 */
static int wrong(const struct config_row *row, const char *text, struct err *err)
{
	_cleanup_(buf_deinitp) struct buf shown, want;

	buf_init(&shown, 512);
	buf_init(&want, 512);
	text_for_terminal(&shown, text, 60);
	config_value_describe(row, &want);
	return err_set(err, -EINVAL, "\"%s\" is not %s%s", buf_str(&shown), buf_str(&want),
		       hint(row));
}

static int parse_uint(const char *text, uint64_t *ret)
{
	return sys_parse_u64(text, 10, 0, UINT64_MAX, ret);
}

static int parse_percent(const char *text, uint64_t *ret)
{
	_cleanup_(freep) char *digits = strdup(text);
	size_t len = strlen(text);

	if (!digits)
		return -ENOMEM;
	if (len && digits[len - 1] == '%')
		digits[--len] = '\0';
	if (len && digits[len - 1] == ' ')
		digits[len - 1] = '\0';
	return parse_uint(digits, ret);
}

static int set_number(const struct config_row *row, void *base, const char *text, struct err *err)
{
	uint64_t v;
	int r;

	if (row->automatic && !strcmp(text, "auto")) {
		*(uint64_t *)config_value_member(row, base) = 0;
		return 0;
	}
	r = row->type == CONFIG_BYTES      ? config_parse_bytes(text, &v)
	    : row->type == CONFIG_DURATION ? config_parse_duration(text, &v)
	    : row->type == CONFIG_PERCENT  ? parse_percent(text, &v)
					   : parse_uint(text, &v);
	if (r == -ENOMEM)
		return r;
	if (r || v < row->min || v > row->max)
		return wrong(row, text, err);
	*(uint64_t *)config_value_member(row, base) = v;
	return 0;
}

static int set_real(const struct config_row *row, void *base, const char *text, struct err *err)
{
	char *end;
	double v = strtod(text, &end);

	/* strtod() also takes what nobody means: hexadecimal, spaces, "infinity". */
	if (!*text || *end || text[strspn(text, "0123456789.eE+-")] || !isfinite(v) ||
	    v < row->real_min || v > row->real_max)
		return wrong(row, text, err);
	*(double *)config_value_member(row, base) = v;
	return 0;
}

static int set_bool(const struct config_row *row, void *base, const char *text, struct err *err)
{
	bool yes = !strcmp(text, "true");

	if (!yes && strcmp(text, "false"))
		return wrong(row, text, err);
	*(bool *)config_value_member(row, base) = yes;
	return 0;
}

static int set_enum(const struct config_row *row, void *base, const char *text, struct err *err)
{
	for (size_t i = 0; row->choices[i]; i++) {
		if (!strcmp(row->choices[i], text)) {
			*(uint64_t *)config_value_member(row, base) = i;
			return 0;
		}
	}
	return wrong(row, text, err);
}

static bool has_controls(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	}
	return false;
}

static int check_text(const char *text, size_t max, struct err *err)
{
	if (strlen(text) > max)
		return err_set(err, -EINVAL, "a text of more than %zu bytes", max);
	if (!text_is_valid(text, strlen(text)))
		return err_set(err, -EINVAL, "not valid UTF-8");
	if (has_controls(text))
		return err_set(err, -EINVAL,
			       "control characters (a line break, perhaps) in a text");
	return 0;
}

static int set_string(const struct config_row *row, void *base, const char *text, struct err *err)
{
	char **at = config_value_member(row, base);
	int r = check_text(text, row->type == CONFIG_STRING ? row->max : CONFIG_TEXT_MAX, err);
	char *copy;

	if (r)
		return r;
	if (row->type == CONFIG_PATH && (*text ? *text != '/' : row->required))
		return wrong(row, text, err);
	if (row->type == CONFIG_STRING && strlen(text) < row->min)
		return err_set(err, -EINVAL, "must not be empty");
	if (row->automatic && !strcmp(text, "auto"))
		text = "";
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

static int set_user(const struct config_row *row, void *base, const char *text, struct err *err)
{
	struct config_user *user = config_value_member(row, base);
	int r = check_text(text, 256, err);
	char *copy;

	if (r)
		return r;
	if (!*text)
		return wrong(row, text, err);
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(user->name);
	*user = (struct config_user) { .name = copy };
	return 0;
}

static int add_string(const struct config_row *row, void *base, const char *text, struct err *err)
{
	struct config_strings *list = config_value_member(row, base);
	int r = check_text(text, CONFIG_TEXT_MAX, err);
	char **items;

	if (r)
		return r;
	if (!*text)
		return err_set(err, -EINVAL, "an empty text in a list");
	if (list->nr == row->max)
		return err_set(err, -EINVAL, "more than %" PRIu64 " texts", row->max);
	items = reallocarray(list->items, list->nr + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->nr] = strdup(text);
	if (!items[list->nr])
		return -ENOMEM;
	list->nr++;
	return 0;
}

int config_value_set(const struct config_row *row, void *base, const char *text, struct err *err)
{
	switch (row->type) {
	case CONFIG_BOOL:
		return set_bool(row, base, text, err);
	case CONFIG_UINT:
	case CONFIG_BYTES:
	case CONFIG_DURATION:
	case CONFIG_PERCENT:
		return set_number(row, base, text, err);
	case CONFIG_REAL:
		return set_real(row, base, text, err);
	case CONFIG_ENUM:
		return set_enum(row, base, text, err);
	case CONFIG_STRING:
	case CONFIG_PATH:
		return set_string(row, base, text, err);
	case CONFIG_USER:
		return set_user(row, base, text, err);
	case CONFIG_STRINGS:
		return add_string(row, base, text, err);
	case CONFIG_PAIRS:
	case CONFIG_LIST:
		break;
	}
	return wrong(row, text, err);
}

int config_value_add_pair(const struct config_row *row, void *base, const char *name,
			  const char *value, struct err *err)
{
	struct config_pairs *pairs = config_value_member(row, base);
	struct config_pair pair, *items;
	int r = check_text(name, 256, err);

	if (!r)
		r = check_text(value, CONFIG_TEXT_MAX, err);
	if (r)
		return r;
	if (!*name)
		return err_set(err, -EINVAL, "an empty name in a map");
	for (size_t i = 0; i < pairs->nr; i++) {
		if (!strcmp(pairs->items[i].name, name))
			return err_set(err, -EINVAL, "\"%s\" is given twice", name);
	}
	if (pairs->nr == row->max)
		return err_set(err, -EINVAL, "more than %" PRIu64 " names", row->max);
	items = reallocarray(pairs->items, pairs->nr + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	pairs->items = items;
	pair = (struct config_pair) { strdup(name), strdup(value) };
	if (!pair.name || !pair.value) {
		free(pair.name);
		free(pair.value);
		return -ENOMEM;
	}
	items[pairs->nr++] = pair;
	return 0;
}

size_t config_value_nr_elements(const struct config_row *row, const void *base)
{
	const struct list *list = member(row, base);

	return list->nr;
}

void *config_value_element(const struct config_row *row, const void *base, size_t i)
{
	const struct list *list = member(row, base);

	return list->items + i * row->element->size;
}

int config_value_add_element(const struct config_row *row, void *base, void **ret, struct err *err)
{
	struct list *list = config_value_member(row, base);
	size_t size = row->element->size;
	char *items;
	int r;

	if (list->nr == row->max)
		return err_set(err, -EINVAL, "more than %" PRIu64 " entries", row->max);
	items = reallocarray(list->items, list->nr + 1, size);
	if (!items)
		return -ENOMEM;
	list->items = items;
	memset(items + list->nr * size, 0, size);
	r = config_defaults(row->element, items + list->nr++ * size);
	if (!r)
		*ret = items + (list->nr - 1) * size;
	return r;
}

int config_value_print(const struct config_row *row, const void *base, struct buf *out)
{
	const void *at = member(row, base);

	switch (row->type) {
	case CONFIG_BOOL:
		return buf_adds(out, *(const bool *)at ? "true" : "false");
	case CONFIG_UINT:
	case CONFIG_BYTES:
	case CONFIG_PERCENT:
		return buf_addf(out, "%" PRIu64, *(const uint64_t *)at);
	case CONFIG_DURATION:
		return buf_addf(out, "%" PRIu64, (uint64_t)(*(const uint64_t *)at / NSEC_PER_SEC));
	case CONFIG_REAL:
		return buf_addf(out, "%.6f", *(const double *)at);
	case CONFIG_ENUM:
		return buf_adds(out, row->choices[*(const uint64_t *)at]);
	case CONFIG_STRING:
	case CONFIG_PATH:
		return buf_adds(out, *(char *const *)at);
	case CONFIG_USER:
	case CONFIG_STRINGS:
	case CONFIG_PAIRS:
	case CONFIG_LIST:
		break;
	}
	return -EINVAL;
}
