/* Names of settings: found, turned into flags and variables, guessed at. */
#include "agent/core/config_internal.h"

#include <ctype.h>
#include <string.h>

int config_find(const struct config_table *table, const char *key)
{
	for (size_t i = 0; i < table->nr; i++) {
		if (!strcmp(table->rows[i].key, key))
			return (int)i;
	}
	return -1;
}

bool config_is_section(const struct config_table *table, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < table->nr; i++) {
		if (!strncmp(table->rows[i].key, key, len) && table->rows[i].key[len] == '.')
			return true;
	}
	return false;
}

void config_flag(const struct config_row *row, char ret[CONFIG_KEY_MAX])
{
	size_t n = (size_t)snprintf(ret, CONFIG_KEY_MAX, "--%s", row->key);

	for (size_t i = 2; i < n; i++) {
		if (ret[i] == '.' || ret[i] == '_')
			ret[i] = '-';
	}
}

void config_variable(const struct config_row *row, char ret[CONFIG_KEY_MAX])
{
	size_t n = (size_t)snprintf(ret, CONFIG_KEY_MAX, "FLEETPROF_%s", row->key);

	for (size_t i = 0; i < n; i++)
		ret[i] = ret[i] == '.' ? '_' : (char)toupper((unsigned char)ret[i]);
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string alignment). */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int rows[3][CONFIG_KEY_MAX], *before = rows[0], *above = rows[1], *row = rows[2];
	size_t n = strlen(a), m = strlen(b);

	for (size_t j = 0; j <= m; j++)
		above[j] = (unsigned int)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int *oldest = before;

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = MIN(row[j], MIN(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = oldest;
	}
	return above[m];
}

static const char *last_part(const char *key)
{
	const char *dot = strrchr(key, '.');

	return dot ? dot + 1 : key;
}

struct guess {
	const char *key;
	size_t len;
	unsigned int distance;
};

static void consider(struct guess *best, const char *key, size_t len, const char *wrong)
{
	char candidate[CONFIG_KEY_MAX];
	unsigned int d;

	snprintf(candidate, sizeof(candidate), "%.*s", (int)len, key);
	d = distance(wrong, candidate);
	/* The right name in the wrong place. */
	if (!strcmp(last_part(candidate), last_part(wrong)))
		d = MIN(d, 1u);
	if (d < best->distance)
		*best = (struct guess) { key, len, d };
}

const char *config_nearest(const struct config_table *table, const char *key,
			   char scratch[CONFIG_KEY_MAX])
{
	struct guess best = { .distance = UINT32_MAX };

	if (strlen(key) >= CONFIG_KEY_MAX)
		return NULL;
	for (size_t i = 0; i < table->nr; i++) {
		const char *candidate = table->rows[i].key, *dot = strchr(candidate, '.');

		consider(&best, candidate, strlen(candidate), key);
		if (dot)
			consider(&best, candidate, (size_t)(dot - candidate), key);
	}
	if (!best.key || best.distance > MAX(strlen(key) / 3, 1ul))
		return NULL;
	snprintf(scratch, CONFIG_KEY_MAX, "%.*s", (int)best.len, best.key);
	return scratch;
}
