/* All members of a struct of settings: set to their defaults, compared, freed. */
#include "agent/core/config_internal.h"

#include <errno.h>
#include <string.h>

static void clear_strings(struct config_strings *list)
{
	for (size_t i = 0; i < list->nr; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_strings) { 0 };
}

static void clear_pairs(struct config_pairs *pairs)
{
	for (size_t i = 0; i < pairs->nr; i++) {
		free(pairs->items[i].name);
		free(pairs->items[i].value);
	}
	free(pairs->items);
	*pairs = (struct config_pairs) { 0 };
}

static void clear_list(const struct config_row *row, void *base)
{
	struct {
		void *items;
		size_t nr;
	} *list = config_value_member(row, base);

	for (size_t i = 0; i < list->nr; i++)
		config_clear(row->element, config_value_element(row, base, i));
	free(list->items);
	list->items = NULL;
	list->nr = 0;
}

void config_value_clear(const struct config_row *row, void *base)
{
	void *at = config_value_member(row, base);

	switch (row->type) {
	case CONFIG_STRING:
	case CONFIG_PATH:
		free(*(char **)at);
		*(char **)at = NULL;
		return;
	case CONFIG_USER:
		free(((struct config_user *)at)->name);
		*(struct config_user *)at = (struct config_user) { 0 };
		return;
	case CONFIG_STRINGS:
		clear_strings(at);
		return;
	case CONFIG_PAIRS:
		clear_pairs(at);
		return;
	case CONFIG_LIST:
		clear_list(row, base);
		return;
	case CONFIG_BOOL:
	case CONFIG_UINT:
	case CONFIG_BYTES:
	case CONFIG_DURATION:
	case CONFIG_PERCENT:
	case CONFIG_REAL:
	case CONFIG_ENUM:
		return;
	}
}

void config_clear(const struct config_table *table, void *base)
{
	for (size_t i = 0; i < table->nr; i++)
		config_value_clear(&table->rows[i], base);
}

int config_defaults(const struct config_table *table, void *base)
{
	for (size_t i = 0; i < table->nr; i++) {
		const struct config_row *row = &table->rows[i];
		/* What is required has no default; until it is set it is "". */
		const char *fallback = row->fallback                ? row->fallback
				       : row->type == CONFIG_STRING ? ""
								    : NULL;
		int r = fallback ? config_value_set(row, base, fallback, NULL) : 0;

		if (r)
			return r;
	}
	return 0;
}

static bool strings_equal(const struct config_strings *a, const struct config_strings *b)
{
	for (size_t i = 0; i < a->nr && a->nr == b->nr; i++) {
		if (strcmp(a->items[i], b->items[i]))
			return false;
	}
	return a->nr == b->nr;
}

static bool pairs_equal(const struct config_pairs *a, const struct config_pairs *b)
{
	for (size_t i = 0; i < a->nr && a->nr == b->nr; i++) {
		if (strcmp(a->items[i].name, b->items[i].name) ||
		    strcmp(a->items[i].value, b->items[i].value))
			return false;
	}
	return a->nr == b->nr;
}

static bool users_equal(const struct config_user *a, const struct config_user *b)
{
	return a->set == b->set && a->uid == b->uid && a->gid == b->gid &&
	       !strcmp(a->name, b->name);
}

static bool elements_equal(const struct config_table *table, const void *a, const void *b)
{
	for (size_t i = 0; i < table->nr; i++) {
		if (!config_value_equal(&table->rows[i], a, b))
			return false;
	}
	return true;
}

static bool lists_equal(const struct config_row *row, const void *a, const void *b)
{
	size_t nr = config_value_nr_elements(row, a);

	if (nr != config_value_nr_elements(row, b))
		return false;
	for (size_t i = 0; i < nr; i++) {
		if (!elements_equal(row->element, config_value_element(row, a, i),
				    config_value_element(row, b, i)))
			return false;
	}
	return true;
}

bool config_value_equal(const struct config_row *row, const void *base_a, const void *base_b)
{
	const void *a = (const char *)base_a + row->offset, *b = (const char *)base_b + row->offset;

	switch (row->type) {
	case CONFIG_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case CONFIG_UINT:
	case CONFIG_BYTES:
	case CONFIG_DURATION:
	case CONFIG_PERCENT:
	case CONFIG_ENUM:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case CONFIG_REAL:
		return *(const double *)a == *(const double *)b;
	case CONFIG_STRING:
	case CONFIG_PATH:
		return !strcmp(*(char *const *)a, *(char *const *)b);
	case CONFIG_USER:
		return users_equal(a, b);
	case CONFIG_STRINGS:
		return strings_equal(a, b);
	case CONFIG_PAIRS:
		return pairs_equal(a, b);
	case CONFIG_LIST:
		return lists_equal(row, base_a, base_b);
	}
	return false;
}
