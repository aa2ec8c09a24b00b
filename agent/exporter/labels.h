/*
 * A set of labels, as of one series: names unique, sorted by name.
 *
 * Values are valid UTF-8 and at most LABELS_VALUE_MAX bytes; labels_set() makes them so, and an empty value means that
 * the label is not there, as in Prometheus' data model.
 */
#ifndef FLEETPROF_EXPORTER_LABELS_H
#define FLEETPROF_EXPORTER_LABELS_H

#include "agent/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABELS_MAX 96 /* while rules work on them; what leaves has its own bound */
#define LABELS_NAME_MAX 1024 /* Pyroscope's default limits */
#define LABELS_VALUE_MAX 2048

struct label {
	char *name, *value;
};

struct labels {
	struct label entries[LABELS_MAX];
	size_t nr;
};
#define LABELS_NULL ((struct labels) { .nr = 0 })

void labels_deinit(struct labels *l);
DEFINE_CLEANUP_EMBEDDED(struct labels, labels_deinit)

/* "" if it is not there. Valid until it is set or removed. */
const char *labels_get(const struct labels *l, const char *name);

/* Sets, replaces, or (value "") removes. 0, -ENOMEM, or -ENOSPC when LABELS_MAX are there. */
int labels_set(struct labels *l, const char *name, const char *value);
void labels_remove(struct labels *l, const char *name);

int labels_copy(struct labels *to, const struct labels *from);

/* [a-zA-Z_][a-zA-Z0-9_]*, at most LABELS_NAME_MAX bytes. */
bool labels_is_name(const char *name);

/* The nearest name to any text: what may not be in one becomes "_". out: LABELS_NAME_MAX + 1 bytes. */
void labels_to_name(const char *text, char *out);

#endif
