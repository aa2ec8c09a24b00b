/* The owners of a window: one per container however many cgroups, at most 1,024, the rest counted as other. */
#include "agent/core/owners.h"
#include "tests/test.h"

#define A "873035ffae9c4d5998aa5929b031a42d8b3c812a42b8befd061a5c617ea7e246"
#define CGROUPS 65536 /* the bound of agent/core/owners.c */

static const struct owner_names shop = { "shop", "shop:1", "shop-7d4b9c6f5-x2x4z", "sales",
					 "shop" };
static const struct owner_names nothing = { "", "", "", "", "" };

static struct owners_entry *find(struct owners *o, uint64_t cgroup, const char *path)
{
	bool learned;
	uint32_t i = owners_find(o, cgroup, path, false, 7, 8, &learned);

	CHECK_INT(learned, path != NULL);
	return owners_get(o, i);
}

static void test_one_owner_of_several_cgroups(void)
{
	_cleanup_(owners_freep) struct owners *o = NULL;
	struct owners_entry *docker, *session;

	CHECK_INT(owners_new(&o), 0);
	CHECK_INT(owners_count(o), 2); /* other and kernel */
	docker = find(o, 44, "/docker/" A);
	CHECK_STR(docker->ref.runtime, "docker");
	CHECK_STR(docker->cgroup_path, "/docker/" A);
	CHECK_INT(docker->tgid, 7);
	CHECK_INT(docker->start_boot_ns, 8);
	CHECK(find(o, 44, NULL) == docker); /* known: the record carries no path any more */
	CHECK(find(o, 3ULL << 56 | 17, "/docker/" A) == docker); /* another hierarchy's cgroup */
	CHECK(find(o, 45, "/docker/" A "/init") == docker); /* one further in */
	session = find(o, 50, "/user.slice/user-1000.slice/session-3.scope");
	CHECK(find(o, 51, "/user.slice/user-1000.slice/session-4.scope") == session);
	CHECK(session != docker);
	CHECK_INT(owners_count(o), 4);
	CHECK_INT(owners_overflowed(o), 0);
}

/* A user who calls his cgroup after a container is not taken for it, under any name. */
static void test_a_forged_id_is_another_owner(void)
{
	_cleanup_(owners_freep) struct owners *o = NULL;
	struct owners_entry *real, *forged;

	CHECK_INT(owners_new(&o), 0);
	real = find(o, 1, "/docker/" A);
	forged = find(o, 2, "/user.slice/user-1000.slice/user@1000.service/docker/" A);
	CHECK(real != forged);
	CHECK_STR(owners_name(real), "873035ffae9c");
	CHECK_STR(owners_name(forged), "user@1000/873035ffae9c");
	owners_set_names(real, &shop);
	owners_set_names(forged, &shop);
	CHECK_STR(owners_name(real), "shop");
	CHECK_STR(owners_name(forged), "user@1000/shop");
	CHECK_STR(real->names.pod, "shop-7d4b9c6f5-x2x4z");
	CHECK_STR(forged->names.image, "shop:1");
	CHECK_STR(forged->names.pod, "");
	owners_set_names(forged, &nothing); /* an answer that says nothing takes nothing back */
	CHECK_STR(owners_name(forged), "user@1000/shop");
}

static void test_kernel_threads_and_unknown_cgroups(void)
{
	_cleanup_(owners_freep) struct owners *o = NULL;
	struct owners_entry *e;
	bool learned;

	CHECK_INT(owners_new(&o), 0);
	e = owners_get(o, owners_find(o, 1, "/", true, 2, 3, &learned));
	CHECK_INT(e->ref.kind, OWNER_KERNEL);
	CHECK_STR(owners_name(e), "kernel");
	CHECK(learned);
	CHECK_INT(find(o, 1, NULL)->ref.kind, OWNER_HOST); /* the same cgroup, of a process */
	CHECK_INT(find(o, 99, NULL)->ref.kind, OWNER_OTHER);
	CHECK_STR(find(o, 99, "/late.service")->ref.name,
		  "late.service"); /* it may still be learned */
	CHECK_INT(owners_get(o, owners_find(o, 98, NULL, true, 2, 3, NULL))->ref.kind,
		  OWNER_KERNEL);
}

static void test_the_bound(void)
{
	_cleanup_(owners_freep) struct owners *o = NULL;
	char path[64];

	CHECK_INT(owners_new(&o), 0);
	for (uint64_t i = 0; i < OWNERS_MAX; i++) {
		snprintf(path, sizeof(path), "/system.slice/unit%" PRIu64 ".service", i);
		CHECK_INT(find(o, 1000 + i, path)->ref.kind, OWNER_UNIT);
	}
	CHECK_INT(owners_count(o), OWNERS_MAX + 2);
	CHECK_INT(owners_overflowed(o), 0);
	for (uint64_t i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "/system.slice/more%" PRIu64 ".service", i);
		CHECK_INT(find(o, 5000 + i, path)->ref.kind, OWNER_OTHER);
		CHECK_INT(find(o, 5000 + i, NULL)->ref.kind, OWNER_OTHER);
	}
	CHECK_INT(owners_overflowed(o), 10); /* cgroups, not samples */
	CHECK_INT(owners_count(o), OWNERS_MAX + 2);
	CHECK_STR(find(o, 1003, NULL)->ref.name, "unit3.service"); /* those that were there stay */
	CHECK_STR(find(o, 9000, "/system.slice/unit3.service")->ref.name, "unit3.service");
	CHECK_STR(owners_name(owners_get(o, 0)), "other");
}

/* A host that makes cgroups without end: what is too much is other, and counted. */
static void test_the_bound_of_cgroups(void)
{
	_cleanup_(owners_freep) struct owners *o = NULL;

	CHECK_INT(owners_new(&o), 0);
	for (uint64_t i = 0; i < CGROUPS; i++)
		CHECK_INT(find(o, i + 10, "/system.slice/one.service")->ref.kind, OWNER_UNIT);
	CHECK_INT(owners_overflowed(o), 0);
	CHECK_INT(find(o, 1 << 20, "/system.slice/one.service")->ref.kind, OWNER_OTHER);
	CHECK_INT(owners_overflowed(o), 1);
	CHECK_INT(find(o, 1 << 20, NULL)->ref.kind, OWNER_OTHER);
	CHECK_INT(owners_overflowed(o), 1);
	CHECK_INT(owners_get(o, owners_find(o, 1 << 21, "/x", true, 0, 0, NULL))->ref.kind,
		  OWNER_KERNEL);
	CHECK_STR(find(o, 10, NULL)->ref.name, "one.service");
}

static uint64_t forgotten[16];
static size_t nr_forgotten;

static void on_forget(uint64_t cgroup, void *userdata)
{
	forgotten[nr_forgotten++ % 16] = cgroup;
}

/* What is idle goes, after a while; what is in use, or waits for its name, stays where it is. */
static void test_places_are_given_back(void)
{
	_cleanup_(owners_freep) struct owners *o = NULL;
	struct owners_entry *busy, *idle, *pending;

	CHECK_INT(owners_new(&o), 0);
	idle = find(o, 1, "/system.slice/idle.service");
	pending = find(o, 2, "/docker/" A);
	pending->name_pending = true;
	for (int i = 0; i < OWNERS_IDLE_WINDOWS; i++) {
		busy = find(o, 3, i ? NULL : "/system.slice/busy.service");
		CHECK(busy->used && idle->used);
		owners_end_window(o, on_forget, NULL);
	}
	CHECK_INT(nr_forgotten, 0);
	CHECK(owners_is_active(o, 4) == false);
	CHECK(find(o, 3, NULL) == busy);
	CHECK(owners_is_active(o, 4));
	owners_end_window(o, on_forget, NULL);
	CHECK(!idle->used && busy->used && pending->used);
	CHECK_INT(nr_forgotten,
		  2); /* both idle cgroups, whose next record carries its path again */
	CHECK_INT(forgotten[0] + forgotten[1], 3);
	CHECK(find(o, 2, "/docker/" A) == pending); /* its owner is still that */
	CHECK(find(o, 9, "/system.slice/next.service") == idle);
	CHECK_STR(owners_name(idle), "next.service");
}

/* A host whose containers come and go never ends with everything in `other`. */
static void test_churn(void)
{
	_cleanup_(owners_freep) struct owners *o = NULL;
	char path[64];

	CHECK_INT(owners_new(&o), 0);
	for (uint64_t i = 0; i < 20 * OWNERS_MAX; i++) {
		snprintf(path, sizeof(path), "/system.slice/unit%" PRIu64 ".service", i);
		CHECK_INT(find(o, 1000 + i, path)->ref.kind, OWNER_UNIT);
		if (i % 200 == 199)
			owners_end_window(o, on_forget, NULL);
	}
	CHECK_INT(owners_overflowed(o), 0);
	CHECK(owners_count(o) <= OWNERS_SLOTS);
}

/* What was `other` for want of room finds its place when there is some. */
static void test_others_come_back(void)
{
	_cleanup_(owners_freep) struct owners *o = NULL;
	char path[64];

	CHECK_INT(owners_new(&o), 0);
	for (uint64_t i = 0; i < OWNERS_MAX; i++) {
		snprintf(path, sizeof(path), "/system.slice/unit%" PRIu64 ".service", i);
		find(o, 1000 + i, path);
	}
	CHECK_INT(find(o, 7, "/system.slice/late.service")->ref.kind, OWNER_OTHER);
	for (int i = 0; i <= OWNERS_IDLE_WINDOWS_MIN; i++) {
		CHECK_INT(find(o, 7, NULL)->ref.kind, OWNER_OTHER);
		owners_end_window(o, on_forget, NULL);
	}
	CHECK_STR(find(o, 7, "/system.slice/late.service")->ref.name, "late.service");
}

int main(void)
{
	RUN(test_one_owner_of_several_cgroups);
	RUN(test_a_forged_id_is_another_owner);
	RUN(test_kernel_threads_and_unknown_cgroups);
	RUN(test_the_bound);
	RUN(test_the_bound_of_cgroups);
	RUN(test_places_are_given_back);
	RUN(test_churn);
	RUN(test_others_come_back);
	return 0;
}
