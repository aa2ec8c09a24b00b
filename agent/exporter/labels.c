/* A set of labels. */
#include "agent/exporter/labels.h"
#include "agent/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

void labels_deinit(struct labels *l)
{
	for (size_t i = 0; i < l->nr; i++) {
		free(l->entries[i].name);
		free(l->entries[i].value);
	}
	l->nr = 0;
}

/* Where name is, or belongs. */
static size_t find(const struct labels *l, const char *name, bool *ret_there)
{
	size_t i = 0;
	int order = 1;

	while (i < l->nr && (order = strcmp(l->entries[i].name, name)) < 0)
		i++;
	*ret_there = i < l->nr && order == 0;
	return i;
}

const char *labels_get(const struct labels *l, const char *name)
{
	bool there;
	size_t i = find(l, name, &there);

	return there ? l->entries[i].value : "";
}

void labels_remove(struct labels *l, const char *name)
{
	bool there;
	size_t i = find(l, name, &there);

	if (!there)
		return;
	free(l->entries[i].name);
	free(l->entries[i].value);
	l->nr--;
	memmove(&l->entries[i], &l->entries[i + 1], (l->nr - i) * sizeof(l->entries[0]));
}

static int insert(struct labels *l, size_t i, const char *name, char *value)
{
	char *copy;

	if (l->nr == LABELS_MAX)
		return -ENOSPC;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	memmove(&l->entries[i + 1], &l->entries[i], (l->nr - i) * sizeof(l->entries[0]));
	l->entries[i] = (struct label) { .name = copy, .value = value };
	l->nr++;
	return 0;
}

int labels_set(struct labels *l, const char *name, const char *value)
{
	_cleanup_(freep) char *copy = NULL;
	char repaired[LABELS_VALUE_MAX + 1];
	bool there;
	size_t i;
	int r;

	if (!text_repair(value, strlen(value), repaired, sizeof(repaired))) {
		labels_remove(l, name);
		return 0;
	}
	copy = strdup(repaired);
	if (!copy)
		return -ENOMEM;
	i = find(l, name, &there);
	if (there) {
		free(l->entries[i].value);
		l->entries[i].value = TAKE_PTR(copy);
		return 0;
	}
	r = insert(l, i, name, copy);
	if (r == 0)
		copy = NULL;
	return r;
}

int labels_copy(struct labels *to, const struct labels *from)
{
	int r = 0;

	labels_deinit(to);
	for (size_t i = 0; i < from->nr && r == 0; i++)
		r = labels_set(to, from->entries[i].name, from->entries[i].value);
	return r;
}

bool labels_is_name(const char *name)
{
	size_t i = 0;

	if (!isascii(name[0]) || !(isalpha(name[0]) || name[0] == '_'))
		return false;
	while (isascii(name[i]) && (isalnum(name[i]) || name[i] == '_'))
		i++;
	return !name[i] && i <= LABELS_NAME_MAX;
}

void labels_to_name(const char *text, char *out)
{
	size_t len = 0;

	if (isascii(text[0]) && isdigit(text[0]))
		out[len++] = '_';
	for (; *text && len < LABELS_NAME_MAX; text++)
		out[len++] = isascii(*text) && isalnum(*text) ? *text : '_';
	out[len] = '\0';
}
