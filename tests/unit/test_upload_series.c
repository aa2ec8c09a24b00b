/* From an owner to its series: default labels, rules, what stays at home, and the bound. */
#include "agent/base/clock.h"
#include "agent/exporter/upload_series.h"
#include "proto/push.h"
#include "tests/fixtures/evil_names.h"
#include "tests/test.h"

#define HOUR_NS (3600 * NSEC_PER_SEC)

static const struct labels none = { .nr = 0 };

static struct uploadseries *make(const struct labels *labels, struct relabel *rules, uint32_t max)
{
	const struct uploadseries_config c = {
		.node = "n1", .labels = labels, .relabel = rules, .max = max
	};
	struct uploadseries *t;

	CHECK_INT(uploadseries_new(&t, &c), 0);
	return t;
}

static uint32_t series_of(struct uploadseries *t, const struct store_owner *o, uint64_t now)
{
	uint32_t series = UINT32_MAX;
	int r = uploadseries_find(t, o->id, now, &series);

	if (r == UPLOADSERIES_E_UNKNOWN) {
		CHECK_INT(uploadseries_add(t, o, now), 0);
		r = uploadseries_find(t, o->id, now, &series);
	}
	CHECK(r == 0 || r == UPLOADSERIES_E_DROP);
	return r ? UINT32_MAX : series;
}

/* Whether the packed labels hold just this pair. */
static bool has(const struct uploadseries *t, uint32_t series, const char *name, const char *value)
{
	const struct buf *packed = uploadseries_labels(t, series);
	_cleanup_(buf_deinitp) struct buf pair = BUF_NULL;

	buf_init(&pair, 65536);
	push_put_label(&pair, name, value);
	return memmem(packed->data, packed->len, pair.data, pair.len);
}

static struct store_owner owner(int64_t id, const char *name)
{
	return (struct store_owner) { .id = id,
				      .name = name,
				      .container_id = "abc",
				      .runtime = "docker",
				      .image = "img",
				      .cgroup_path = "/x" };
}

static void test_defaults(void)
{
	_cleanup_(uploadseries_freep) struct uploadseries *t = NULL;
	struct store_owner o = owner(1, "web"), unit = owner(2, "ssh.service");
	_cleanup_(labels_deinitp) struct labels extra = LABELS_NULL;
	uint32_t s;

	CHECK_INT(labels_set(&extra, "team", "x"), 0);
	t = make(&extra, NULL, 10);
	o.labels[0] = (struct winwire_label) { "namespace", "shop" };
	o.labels[1] = (struct winwire_label) { "workload", "frontend" };
	o.labels[2] = (struct winwire_label) { "pod", "web-1" };
	o.nr_labels = 3;
	unit.container_id = "";
	s = series_of(t, &o, 1);
	CHECK(has(t, s, "__name__", "process_cpu"));
	CHECK(has(t, s, "service_name", "frontend"));
	CHECK(has(t, s, "namespace", "shop"));
	CHECK(has(t, s, "container", "web"));
	CHECK(has(t, s, "node", "n1"));
	CHECK(has(t, s, "team", "x"));
	CHECK(!memmem(uploadseries_labels(t, s)->data, uploadseries_labels(t, s)->len, "web-1", 5));
	CHECK(!memmem(uploadseries_labels(t, s)->data, uploadseries_labels(t, s)->len, "meta", 4));
	s = series_of(t, &unit, 1);
	CHECK(has(t, s, "service_name", "ssh.service"));
	CHECK(!memmem(uploadseries_labels(t, s)->data, uploadseries_labels(t, s)->len, "container",
		      9));
}

static void test_rules_see_what_is_known(void)
{
	_cleanup_(uploadseries_freep) struct uploadseries *t = NULL;
	_cleanup_(relabel_freep) struct relabel *r = NULL;
	struct store_owner o = owner(1, "web"), other = owner(2, "db");
	struct err err = ERR_NULL;
	uint32_t s;

	CHECK_INT(relabel_new(&r), 0);
	CHECK_INT(relabel_add(r, "source_labels=__meta_name,regex=db,action=drop", &err), 0);
	CHECK_INT(relabel_add(r, "source_labels=__meta_label_a_b,target_label=ab", &err), 0);
	CHECK_INT(relabel_add(r, "regex=service_name,action=labeldrop", &err), 0);
	t = make(&none, r, 10);
	o.labels[0] = (struct winwire_label) { "a.b", "v" };
	o.nr_labels = 1;
	s = series_of(t, &o, 1);
	CHECK(has(t, s, "ab", "v"));
	CHECK(has(t, s, "service_name", "unknown")); /* a series without one cannot be asked for */
	CHECK_INT(series_of(t, &other, 1), UINT32_MAX);
}

static void test_the_bound(void)
{
	_cleanup_(uploadseries_freep) struct uploadseries *t = make(&none, NULL, 2);
	struct store_owner a = owner(1, "a"), b = owner(2, "b"), c = owner(3, "c"),
			   twin = owner(4, "a");
	struct uploadseries_counts counts;
	uint32_t sa = series_of(t, &a, 1), sb = series_of(t, &b, 1), sc = series_of(t, &c, 1);

	CHECK(sa != sb);
	CHECK_INT(series_of(t, &twin, 1), sa);
	CHECK(has(t, sc, "service_name", "other"));
	CHECK(!has(t, sc, "container", "c"));
	uploadseries_counts(t, &counts);
	CHECK_INT(counts.series, 2);
	CHECK_INT(counts.other, 1);
	/* an hour later a is still in use, and b is not: c's successor gets its place */
	series_of(t, &a, HOUR_NS);
	c.id = 5;
	sc = series_of(t, &c, HOUR_NS + 2);
	CHECK_INT(sc, sb);
	CHECK(has(t, sc, "service_name", "c"));
	CHECK_INT(series_of(t, &a, HOUR_NS + 2), sa);
}

static void test_evil_names(void)
{
	_cleanup_(uploadseries_freep) struct uploadseries *t = make(&none, NULL, 100);
	struct store_owner o;

	for (size_t i = 0; i < sizeof(evil_names) / sizeof(evil_names[0]); i++) {
		o = owner((int64_t)i + 1, evil_names[i]);
		o.labels[0] = (struct winwire_label) { evil_names[i], evil_names[i] };
		o.nr_labels = 1;
		CHECK(uploadseries_labels(t, series_of(t, &o, 1))->len > 0);
	}
}

int main(void)
{
	RUN(test_defaults);
	RUN(test_rules_see_what_is_known);
	RUN(test_the_bound);
	RUN(test_evil_names);
	return 0;
}
