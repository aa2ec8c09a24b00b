/*
 * Which series an owner's rows go to: its labels, as the settings and the rules make them, and a bound on how many there
 * are, since each costs its back end memory for ever.
 *
 * Default labels: service_name, namespace, workload, container, node, those of the settings; what else is known of an
 * owner stands beside them as __meta_…, for the rules to take: __meta_name, __meta_container_id, __meta_runtime,
 * __meta_image, __meta_cgroup_path, __meta_label_NAME. What begins with "__" stays here, except __name__.
 * Above the bound an owner goes to service_name="other". A series that was not used for an hour gives its place up.
 */
#ifndef FLEETPROF_EXPORTER_UPLOAD_SERIES_H
#define FLEETPROF_EXPORTER_UPLOAD_SERIES_H

#include "agent/base/buf.h"
#include "agent/exporter/labels.h"
#include "agent/exporter/relabel.h"
#include "agent/exporter/store.h"

#define UPLOADSERIES_LABELS_MAX 30 /* Pyroscope's default, __name__ and service_name included */

struct uploadseries;

struct uploadseries_config {
	const char *node; /* "": no such label */
	const struct labels *labels; /* on every series; lives as long as this */
	struct relabel *relabel; /* or NULL; lives as long as this */
	uint32_t max;
};

int uploadseries_new(struct uploadseries **ret, const struct uploadseries_config *config);
struct uploadseries *uploadseries_free(struct uploadseries *t);
DEFINE_CLEANUP(struct uploadseries *, uploadseries_free)

enum { UPLOADSERIES_E_DROP = 1, UPLOADSERIES_E_UNKNOWN = 2 };
/*
 * The series of an owner that was seen before: an index, the same for owners with equal labels. 0;
 * UPLOADSERIES_E_DROP: a rule leaves it out; UPLOADSERIES_E_UNKNOWN: add it first.
 */
int uploadseries_find(struct uploadseries *t, int64_t owner, uint64_t now_ns, uint32_t *ret);

/* 0, -ENOMEM: ask uploadseries_find() again. */
int uploadseries_add(struct uploadseries *t, const struct store_owner *owner, uint64_t now_ns);

/* Owners are numbered anew: which series each had is forgotten, the series stay. */
void uploadseries_forget_owners(struct uploadseries *t);

/* What leaves, as push_put_label() packs it: valid until the next uploadseries_add(). */
const struct buf *uploadseries_labels(const struct uploadseries *t, uint32_t series);

struct uploadseries_counts {
	uint64_t series; /* now */
	uint64_t other; /* owners that found no place */
	uint64_t labels_cut; /* labels above the maximum of a series */
	uint64_t
		rules_failed; /* rules that could not be applied: the owner keeps its default labels */
};
void uploadseries_counts(const struct uploadseries *t, struct uploadseries_counts *ret);

#endif
