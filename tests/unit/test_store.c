/* The store: windows are kept once, come back as they were, are merged, and give way within the budgets. */
#include "agent/base/clock.h"
#include "agent/base/hashmap.h"
#include "agent/base/sys.h"
#include "agent/exporter/store.h"
#include "proto/compact.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <sys/stat.h>

#define START_NS (1700000000ull * NSEC_PER_SEC / (3600 * NSEC_PER_SEC) * (3600 * NSEC_PER_SEC))
#define WINDOW_NS (60 * NSEC_PER_SEC)

static char dir[64];
static struct store_config config;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void remove_dir(void)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void fresh_dir(void)
{
	if (dir[0])
		remove_dir();
	strcpy(dir, "/tmp/fp-store-XXXXXX");
	CHECK(mkdtemp(dir));
	config = (struct store_config) { .dir = dir,
					 .max_bytes = 1ull << 30,
					 .max_age_ns = 30 * 86400 * NSEC_PER_SEC };
}

static struct store *open_store(void)
{
	struct err err = ERR_NULL;
	struct store *s = NULL;

	if (store_open(&s, &config, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return s;
}

/* A profile with `value` samples of one stack, as compact bytes. */
static void make_profile(struct buf *b, uint64_t value, const char *name, size_t padding)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_(compact_encoder_freep) struct compact_encoder *e = NULL;
	struct profile_owner o = { .name = 0 };
	struct profile_function f = { .start_line = 1 };
	struct profile_line line = { .line = 2 };
	struct profile_location l = { .mapping = UINT32_MAX, .address = 16, .nr_lines = 1 };
	struct profile_process process = { .tgid = (uint32_t)value };
	struct profile_sample s = { .count = value, .value_ns = value * 1000 };
	uint32_t owner, location;
	char noise[16];

	CHECK_INT(profile_new(&p), 0);
	profile_meta(p)->period_ns = 1000;
	CHECK_INT(profile_add_owner(p, &o, &owner), 0);
	CHECK_INT(profile_add_string(p, name, &f.name), 0);
	CHECK_INT(profile_add_function(p, &f, &line.function), 0);
	CHECK_INT(profile_add_location(p, &l, &line, &location), 0);
	CHECK_INT(profile_add_process(p, &process, &s.process), 0);
	CHECK_INT(profile_add_sample(p, &s, &location, 1), 0);
	for (size_t i = 0; i < padding; i++) { /* what does not compress */
		uint64_t x = hash_bytes(&i, sizeof(i), value);

		snprintf(noise, sizeof(noise), "%012" PRIx64, x >> 16);
		CHECK_INT(profile_add_string(p, noise, &process.comm), 0);
		process.start_boot_ns = i;
		CHECK_INT(profile_add_process(p, &process, &s.process), 0);
		s.count = s.value_ns = 0;
		CHECK_INT(profile_add_sample(p, &s, &location, 1), 0);
	}
	buf_init(b, COMPACT_MAX_PAYLOAD);
	CHECK_INT(compact_encoder_new(&e, p), 0);
	CHECK_INT(compact_encode(e, owner, b), 0);
}

/* Window `number` with nr owners, each with number + its index samples. */
static int put_padded(struct store *s, uint64_t number, size_t nr, size_t padding)
{
	static struct winwire_header h;
	_cleanup_(buf_deinitp) struct buf body = BUF_NULL;
	int r;

	h = (struct winwire_header) { .agent_start_ns = 5,
				      .number = number,
				      .start_wall_ns = START_NS + (number - 1) * WINDOW_NS,
				      .duration_ns = WINDOW_NS,
				      .period_ns = 1000,
				      .losses = { { .name = "missed", .count = 2 } },
				      .nr_losses = 1,
				      .host = "h" };
	buf_init(&body, WINWIRE_BODY_MAX);
	winwire_put_body(&body, nr);
	for (size_t i = 0; i < nr; i++) {
		_cleanup_(buf_deinitp) struct buf profile = BUF_NULL;
		char name[32];
		struct winwire_owner o = { .name = name,
					   .id = "",
					   .runtime = "docker",
					   .image = "",
					   .cgroup_path = "",
					   .samples = number + i,
					   .value_ns = (number + i) * 1000,
					   .usage_ns = i ? WINWIRE_UNKNOWN : 7 };

		snprintf(name, sizeof(name), "owner-%zu", i);
		make_profile(&profile, number + i, name, padding);
		o.profile = (const uint8_t *)profile.data;
		o.profile_len = profile.len;
		winwire_put_owner(&body, &o);
	}
	CHECK_INT(body.error, 0);
	r = store_put(s, &h, body.data, body.len);
	return r;
}

static int put(struct store *s, uint64_t number, size_t nr)
{
	return put_padded(s, number, nr, 0);
}

struct sum {
	uint64_t windows, losses, points, samples, usage_unknown;
	struct store *store;
	struct profile *profile;
};

static int add_point(const struct store_point *point, void *userdata)
{
	struct sum *sum = userdata;
	_cleanup_(buf_deinitp) struct buf data = BUF_NULL;

	sum->points++;
	sum->samples += point->samples;
	sum->usage_unknown += point->usage_ns == WINWIRE_UNKNOWN;
	if (!sum->profile)
		return 0;
	buf_init(&data, COMPACT_MAX_PAYLOAD);
	CHECK_INT(store_profile(sum->store, point->profile, &data), 0);
	CHECK_INT(compact_decode(data.data, data.len, sum->profile, 0, 0), 0);
	return 0;
}

/* All windows, and all points of them. */
static void add_up(struct store *s, struct sum *sum)
{
	struct store_scan scan = { .to_ns = UINT64_MAX };
	static struct winwire_header header;
	uint64_t end_ns;
	int r;

	while ((r = store_scan_next(s, &scan, &header, &end_ns, add_point, sum)) > 0) {
		sum->windows++;
		for (size_t i = 0; i < header.nr_losses; i++)
			sum->losses += header.losses[i].count;
	}
	CHECK_INT(r, 0);
}

static struct sum sum_of(struct store *s)
{
	struct sum sum = { .points = 0 };

	add_up(s, &sum);
	return sum;
}

static void maintain(struct store *s)
{
	int r;

	while ((r = store_maintain(s)) > 0)
		;
	CHECK_INT(r, 0);
}

static struct store_stats stats_of(struct store *s)
{
	struct store_stats stats;

	CHECK_INT(store_stats(s, &stats), 0);
	return stats;
}

static void test_windows_come_back_after_a_restart(void)
{
	_cleanup_(store_freep) struct store *s = NULL;
	struct store_owner owner;
	struct sum sum;

	fresh_dir();
	s = open_store();
	CHECK_INT(put(s, 1, 3), 0);
	CHECK_INT(put(s, 2, 3), 0);
	s = store_free(s);
	s = open_store();
	sum = sum_of(s);
	CHECK_INT(sum.points, 6);
	CHECK_INT(sum.samples, 1 + 2 + 3 + 2 + 3 + 4);
	CHECK_INT(sum.usage_unknown, 4);
	CHECK_INT(store_owner(s, 1, &owner), 0);
	CHECK_STR(owner.name, "owner-0");
	CHECK_STR(owner.runtime, "docker");
	store_owner_deinit(&owner);
	CHECK_INT(store_owner(s, 99, &owner), STORE_E_GONE);
}

static void test_a_repeat_changes_nothing(void)
{
	_cleanup_(store_freep) struct store *s = NULL;

	fresh_dir();
	s = open_store();
	CHECK_INT(put(s, 1, 2), 0);
	CHECK_INT(put(s, 2, 2), 0);
	CHECK_INT(put(s, 1, 2), 0);
	CHECK_INT(put(s, 2, 2), 0);
	CHECK_INT(sum_of(s).points, 4);
	CHECK_INT(stats_of(s).stored, 2);
	CHECK_INT(stats_of(s).repeated, 2);
}

static void test_a_malformed_body_leaves_nothing(void)
{
	_cleanup_(store_freep) struct store *s = NULL;
	struct winwire_header h = { .number = 1 };

	fresh_dir();
	s = open_store();
	CHECK_INT(store_put(s, &h, "junk", 4), -EBADMSG);
	CHECK_INT(stats_of(s).windows, 0);
	CHECK_INT(stats_of(s).refused, 1);
	CHECK_INT(put(s, 1, 1), 0); /* and its number is not taken */
	CHECK_INT(stats_of(s).windows, 1);
}

static void test_old_windows_are_merged_without_loss(void)
{
	_cleanup_(store_freep) struct store *s = NULL;
	struct profile_owner o = { .name = 0 };
	struct profile_view view;
	struct sum before, after;
	uint32_t owner;

	fresh_dir();
	s = open_store();
	for (uint64_t i = 1; i <= 150; i++)
		CHECK_INT(put(s, i, 2), 0);
	before = sum_of(s);
	maintain(s);
	after = (struct sum) { .store = s };
	CHECK_INT(profile_new(&after.profile), 0);
	CHECK_INT(profile_add_owner(after.profile, &o, &owner), 0);
	add_up(s, &after);
	/* 150 minutes: those above an hour old stand as 9 times 10 minutes */
	CHECK_INT(before.points, 300);
	CHECK_INT(after.points, 2 * (9 + 60));
	CHECK_INT(after.samples, before.samples);
	CHECK_INT(after.usage_unknown, after.points / 2);
	profile_view(after.profile, &view);
	CHECK_INT(view.owners[0].samples, before.samples);
	CHECK_INT(stats_of(s).rolled_up, 90);
	CHECK_INT(stats_of(s).unreadable, 0);
	CHECK_INT(after.windows, 69);
	CHECK_INT(after.losses, 300);
	CHECK_INT(put(s, 3, 2), 0); /* a repeat of one that is merged */
	CHECK_INT(sum_of(s).samples, before.samples);
	profile_free(after.profile);
}

static void test_old_windows_go_by_age(void)
{
	_cleanup_(store_freep) struct store *s = NULL;

	fresh_dir();
	config.max_age_ns = 10 * WINDOW_NS;
	s = open_store();
	for (uint64_t i = 1; i <= 30; i++)
		CHECK_INT(put(s, i, 1), 0);
	maintain(s);
	CHECK_INT(stats_of(s).windows, 11);
	CHECK_INT(stats_of(s).evicted_age, 19);
	CHECK_INT(stats_of(s).stored, 30);
}

static void test_the_byte_budget_holds_and_the_file_shrinks(void)
{
	_cleanup_(store_freep) struct store *s = NULL;
	struct store_stats stats;
	struct stat st;
	char path[128];

	fresh_dir();
	config.max_bytes = 12 << 20;
	s = open_store();
	for (uint64_t i = 1; i <= 60; i++) {
		CHECK_INT(put_padded(s, i, 2, 20000), 0);
		stats = stats_of(s);
		CHECK(stats.bytes <= config.max_bytes + (2 << 20)); /* one window's log beside */
		CHECK_INT(stats.stored, i);
		CHECK_INT(stats.windows, i - stats.evicted_bytes);
	}
	CHECK(stats.windows > 10);
	CHECK(stats.evicted_bytes > 10);
	s = store_free(s);
	config.max_bytes = 4 << 20;
	s = open_store();
	maintain(s);
	s = store_free(s); /* the last one out writes the log back */
	snprintf(path, sizeof(path), "%s/fleetprof.db", dir);
	CHECK_INT(stat(path, &st), 0);
	CHECK(st.st_size <= 4 << 20);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	CHECK(f);
	for (int i = 0; i < 300; i++)
		fputs(text, f);
	fclose(f);
}

static bool exists(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void test_a_corrupt_database_is_set_aside(void)
{
	_cleanup_(store_freep) struct store *s = NULL;

	fresh_dir();
	write_file("fleetprof.db", "this is no database at all\n");
	s = open_store();
	CHECK(exists("fleetprof.db.corrupt"));
	CHECK_INT(put(s, 1, 1), 0);
	CHECK_INT(sum_of(s).points, 1);
}

static void test_a_newer_database_is_set_aside(void)
{
	_cleanup_(store_freep) struct store *s = NULL;
	char path[128];
	sqlite3 *db;

	fresh_dir();
	s = open_store();
	CHECK_INT(put(s, 1, 1), 0);
	s = store_free(s);
	snprintf(path, sizeof(path), "%s/fleetprof.db", dir);
	CHECK_INT(sqlite3_open(path, &db), 0);
	CHECK_INT(sqlite3_exec(db, "PRAGMA user_version=1000", NULL, NULL, NULL), 0);
	sqlite3_close(db);
	s = open_store();
	CHECK(exists("fleetprof.db.newer"));
	CHECK_INT(stats_of(s).windows, 0);
}

static void test_damage_under_way_is_set_aside_too(void)
{
	_cleanup_(store_freep) struct store *s = NULL;
	char path[128], junk[4096];
	int fd;

	fresh_dir();
	s = open_store();
	for (uint64_t i = 1; i < 20; i++)
		CHECK_INT(put_padded(s, i, 4, 300), 0);
	s = store_free(s);
	snprintf(path, sizeof(path), "%s/fleetprof.db", dir);
	fd = open(path, O_RDWR);
	memset(junk, 0xa5, sizeof(junk));
	for (off_t page = 1; page < 40; page++) /* all but the header */
		CHECK_INT(pwrite(fd, junk, sizeof(junk), page * 4096), sizeof(junk));
	close(fd);
	s = open_store();
	CHECK_INT(put(s, 20, 1), 0);
	CHECK(exists("fleetprof.db.corrupt"));
	CHECK_INT(stats_of(s).windows, 1);
}

static void test_a_second_agent_is_told_so(void)
{
	_cleanup_(store_freep) struct store *s = NULL;
	struct store *other;
	struct err err = ERR_NULL;

	fresh_dir();
	s = open_store();
	CHECK_INT(store_open(&other, &config, &err), -EBUSY);
	CHECK(strstr(err.text, "in use by another agent"));
}

static void test_a_directory_that_cannot_be_made_is_named(void)
{
	struct store *s;
	struct err err = ERR_NULL;

	fresh_dir();
	config.dir = "/nowhere/at/all";
	CHECK(store_open(&s, &config, &err) < 0);
	CHECK(strstr(err.text, "/nowhere/at/all"));
}

int main(void)
{
	RUN(test_windows_come_back_after_a_restart);
	RUN(test_a_repeat_changes_nothing);
	RUN(test_a_malformed_body_leaves_nothing);
	RUN(test_old_windows_are_merged_without_loss);
	RUN(test_old_windows_go_by_age);
	RUN(test_the_byte_budget_holds_and_the_file_shrinks);
	RUN(test_a_corrupt_database_is_set_aside);
	RUN(test_a_newer_database_is_set_aside);
	RUN(test_damage_under_way_is_set_aside_too);
	RUN(test_a_second_agent_is_told_so);
	RUN(test_a_directory_that_cannot_be_made_is_named);
	remove_dir();
	return 0;
}
