/* Which series an owner's rows go to. */
#include "agent/exporter/upload_series.h"
#include "agent/base/clock.h"
#include "agent/base/hashmap.h"
#include "proto/push.h"

#include <errno.h>
#include <string.h>

#define PROFILE_NAME "process_cpu" /* with cpu/nanoseconds it is what the UI knows as CPU */
#define OWNERS_MAX 8192 /* remembered; forgotten all at once */
#define IDLE_NS (3600 * NSEC_PER_SEC)
#define PACKED_MAX (UPLOADSERIES_LABELS_MAX * (LABELS_NAME_MAX + LABELS_VALUE_MAX + 16))

enum { SERIES_OTHER = 0, SERIES_DROP = UINT32_MAX };

struct series {
	struct buf packed;
	uint64_t hash;
	uint64_t used_ns;
};

struct uploadseries {
	struct uploadseries_config config;
	struct series *series; /* [0] is "other" */
	uint32_t nr;
	struct hashmap *by_hash; /* of packed → index */
	struct hashmap *by_owner; /* owner id → index */
	struct uploadseries_counts counts;
};

/* Where the runtimes and orchestrators put a name, the best first. */
static const char *const namespaces[] = { "namespace", "io.kubernetes.pod.namespace", NULL };
static const char *const workloads[] = { "workload", "app.kubernetes.io/name",
					 "com.docker.compose.service", NULL };
static const char *const containers[] = { "container", "io.kubernetes.container.name", NULL };
static const char *const services[] = { "service_name", "pyroscope.io/service_name", NULL };

static const char *first_of(const struct store_owner *o, const char *const *keys)
{
	for (; *keys; keys++) {
		for (size_t i = 0; i < o->nr_labels; i++) {
			if (!strcmp(o->labels[i].key, *keys) && o->labels[i].value[0])
				return o->labels[i].value;
		}
	}
	return "";
}

static int set_meta(struct labels *l, const struct store_owner *o)
{
	char name[LABELS_NAME_MAX + 1] = "__meta_label_";
	size_t prefix = strlen(name);
	char rest[LABELS_NAME_MAX + 1];
	int r;

	r = labels_set(l, "__meta_name", o->name);
	r = r ?: labels_set(l, "__meta_container_id", o->container_id);
	r = r ?: labels_set(l, "__meta_runtime", o->runtime);
	r = r ?: labels_set(l, "__meta_image", o->image);
	r = r ?: labels_set(l, "__meta_cgroup_path", o->cgroup_path);
	for (size_t i = 0; i < o->nr_labels && r == 0; i++) {
		labels_to_name(o->labels[i].key, rest);
		snprintf(name + prefix, sizeof(name) - prefix, "%.*s",
			 (int)(LABELS_NAME_MAX - prefix), rest);
		r = labels_set(l, name, o->labels[i].value);
	}
	return r;
}

static int default_labels(const struct uploadseries_config *c, const struct store_owner *o,
			  struct labels *ret)
{
	const char *workload = first_of(o, workloads), *container = first_of(o, containers);
	const char *service = first_of(o, services);
	int r = set_meta(ret, o);

	if (!container[0] && o->container_id[0])
		container = o->name;
	if (!service[0])
		service = workload[0] ? workload : o->name;
	r = r ?: labels_set(ret, "service_name", service);
	r = r ?: labels_set(ret, "namespace", first_of(o, namespaces));
	r = r ?: labels_set(ret, "workload", workload);
	r = r ?: labels_set(ret, "container", container);
	r = r ?: labels_set(ret, "node", c->node);
	for (size_t i = 0; i < c->labels->nr && r == 0; i++)
		r = labels_set(ret, c->labels->entries[i].name, c->labels->entries[i].value);
	return r;
}

/* Removes what stays here, and makes sure of what every series has. */
static int finish(struct uploadseries *t, struct labels *l)
{
	size_t i;
	int r;

	for (i = l->nr; i-- > 0;) {
		if (!strncmp(l->entries[i].name, "__", 2) &&
		    strcmp(l->entries[i].name, "__name__") != 0)
			labels_remove(l, l->entries[i].name);
	}
	r = labels_get(l, "__name__")[0] ? 0 : labels_set(l, "__name__", PROFILE_NAME);
	if (r == 0 && !labels_get(l, "service_name")[0])
		r = labels_set(l, "service_name", "unknown");
	for (i = l->nr; r == 0 && l->nr > UPLOADSERIES_LABELS_MAX && i-- > 0;) {
		if (!strcmp(l->entries[i].name, "service_name") ||
		    !strcmp(l->entries[i].name, "__name__"))
			continue;
		labels_remove(l, l->entries[i].name);
		t->counts.labels_cut++;
	}
	return r;
}

static int pack(const struct labels *l, struct buf *packed)
{
	for (size_t i = 0; i < l->nr; i++)
		push_put_label(packed, l->entries[i].name, l->entries[i].value);
	return packed->error;
}

static int make_other(struct uploadseries *t)
{
	_cleanup_(labels_deinitp) struct labels l = LABELS_NULL;
	int r = labels_copy(&l, t->config.labels);

	r = r ?: labels_set(&l, "node", t->config.node);
	r = r ?: labels_set(&l, "service_name", "other");
	r = r ?: finish(t, &l);
	buf_init(&t->series[SERIES_OTHER].packed, PACKED_MAX);
	return r ?: pack(&l, &t->series[SERIES_OTHER].packed);
}

int uploadseries_new(struct uploadseries **ret, const struct uploadseries_config *config)
{
	_cleanup_(uploadseries_freep) struct uploadseries *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->config = *config;
	t->series = calloc((size_t)config->max + 1, sizeof(*t->series));
	if (!t->series)
		return -ENOMEM;
	t->nr = 1;
	r = hashmap_new(&t->by_hash, sizeof(uint64_t), sizeof(uint32_t), config->max);
	r = r ?: hashmap_new(&t->by_owner, sizeof(int64_t), sizeof(uint32_t), OWNERS_MAX);
	r = r ?: make_other(t);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

struct uploadseries *uploadseries_free(struct uploadseries *t)
{
	if (!t)
		return NULL;
	for (uint32_t i = 0; i < t->nr; i++)
		buf_deinit(&t->series[i].packed);
	free(t->series);
	hashmap_free(t->by_hash);
	hashmap_free(t->by_owner);
	free(t);
	return NULL;
}

int uploadseries_find(struct uploadseries *t, int64_t owner, uint64_t now_ns, uint32_t *ret)
{
	const uint32_t *index = hashmap_get(t->by_owner, &owner);

	if (!index)
		return UPLOADSERIES_E_UNKNOWN;
	if (*index == SERIES_DROP)
		return UPLOADSERIES_E_DROP;
	t->series[*index].used_ns = now_ns;
	*ret = *index;
	return 0;
}

/* A place for one more series: a new one, or that of one that nobody used for long. */
static uint32_t find_place(struct uploadseries *t, uint64_t now_ns)
{
	if (t->nr <= t->config.max)
		return t->nr++;
	for (uint32_t i = 1; i < t->nr; i++) {
		if (t->series[i].used_ns + IDLE_NS > now_ns)
			continue;
		hashmap_remove(t->by_hash, &t->series[i].hash);
		hashmap_clear(t->by_owner); /* some of them pointed here */
		buf_deinit(&t->series[i].packed);
		return i;
	}
	return SERIES_OTHER;
}

/* The index of the series with these labels; *labels is taken where it is a new one. */
static int intern_series(struct uploadseries *t, struct buf *labels, uint64_t now_ns, uint32_t *ret)
{
	uint64_t hash = hash_bytes(labels->data, labels->len, 0);
	uint32_t *index = hashmap_get(t->by_hash, &hash);
	void *value;

	if (index) {
		const struct buf *there = &t->series[*index].packed;

		/* names are chosen by containers: an equal hash is not yet an equal series */
		*ret = there->len == labels->len && !memcmp(there->data, labels->data, there->len)
			       ? *index
			       : SERIES_OTHER;
		return 0;
	}
	*ret = find_place(t, now_ns);
	if (*ret == SERIES_OTHER)
		return 0;
	t->series[*ret] = (struct series) { .packed = *labels, .hash = hash, .used_ns = now_ns };
	*labels = BUF_NULL;
	if (hashmap_put(t->by_hash, &hash, &value, NULL) != 0)
		return -ENOMEM;
	*(uint32_t *)value = *ret;
	return 0;
}

static int remember(struct uploadseries *t, int64_t owner, uint32_t index)
{
	void *value;
	int r = hashmap_put(t->by_owner, &owner, &value, NULL);

	if (r == HASHMAP_E_FULL) {
		hashmap_clear(t->by_owner);
		r = hashmap_put(t->by_owner, &owner, &value, NULL);
	}
	if (r != 0)
		return -ENOMEM;
	*(uint32_t *)value = index;
	return 0;
}

/* The labels that leave. RELABEL_E_DROP: none. */
static int make_labels(struct uploadseries *t, const struct store_owner *owner, struct labels *l)
{
	int r = default_labels(&t->config, owner, l);

	if (r == 0 && t->config.relabel)
		r = relabel_apply(t->config.relabel, l);
	if (r < 0 && r != -ENOMEM) {
		t->counts.rules_failed++;
		labels_deinit(l);
		r = default_labels(&t->config, owner, l);
	}
	return r ?: finish(t, l);
}

int uploadseries_add(struct uploadseries *t, const struct store_owner *owner, uint64_t now_ns)
{
	_cleanup_(labels_deinitp) struct labels l = LABELS_NULL;
	_cleanup_(buf_deinitp) struct buf packed = BUF_NULL;
	uint32_t index = SERIES_DROP;
	int r = make_labels(t, owner, &l);

	if (r < 0)
		return r;
	if (r != RELABEL_E_DROP) {
		buf_init(&packed, PACKED_MAX);
		r = pack(&l, &packed);
		r = r ?: intern_series(t, &packed, now_ns, &index);
		if (r < 0)
			return r;
		t->counts.other += index == SERIES_OTHER;
	}
	return remember(t, owner->id, index);
}

void uploadseries_forget_owners(struct uploadseries *t)
{
	hashmap_clear(t->by_owner);
}

const struct buf *uploadseries_labels(const struct uploadseries *t, uint32_t series)
{
	return &t->series[series].packed;
}

void uploadseries_counts(const struct uploadseries *t, struct uploadseries_counts *ret)
{
	*ret = t->counts;
	ret->series = hashmap_count(t->by_hash);
}
