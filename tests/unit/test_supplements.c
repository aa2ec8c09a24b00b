/* Looking for the files that a program's symbolizer wants, before an opener of this test's own (openclient_* below). */
#include "agent/core/supplements.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>

#define ROOT 77

/* ---- the opener: answers at once, from a list ---- */

static struct {
	const char *places[16]; /* "root:/path", "1:/path" */
	size_t nr_places;
	char asked[512][256];
	size_t nr_asked;
	int error; /* for whatever is not there */
} opener;

static int answer(const char *place, const char *path, openclient_fn fn, void *userdata)
{
	char *asked = opener.asked[opener.nr_asked++];
	int fd = opener.error;

	CHECK(opener.nr_asked <= ARRAY_SIZE(opener.asked));
	snprintf(asked, sizeof(opener.asked[0]), "%s:%s", place, path);
	for (size_t i = 0; i < opener.nr_places; i++) {
		if (!strcmp(opener.places[i], asked))
			fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	fn(fd, userdata);
	return 0;
}

int openclient_elf_below(struct openclient *client, int root_fd, const char *path, openclient_fn fn,
			 void *userdata)
{
	CHECK_INT(root_fd, ROOT);
	return answer("root", path, fn, userdata);
}

int openclient_elf_in_root(struct openclient *client, uint32_t tgid, uint64_t start_boot_ns,
			   const char *path, openclient_fn fn, void *userdata)
{
	char place[16];

	snprintf(place, sizeof(place), "%u", tgid == (uint32_t)getpid() ? 0 : tgid);
	return answer(place, path, fn, userdata);
}

/* ---- the search under test ---- */

static struct supplements *s;
static struct supplements_counts counts;
static struct supplements_given given;
static bool found;
static unsigned int missing; /* how often that was told of dwz's file */

static void on_missing(const struct symbolizer_want *want, void *userdata)
{
	CHECK_INT(want->kind, SYMBOLIZER_SUPPLEMENT_ALT);
	CHECK(userdata == &missing);
	missing++;
}

static void set_up(const char *const *places, size_t nr)
{
	memset(&opener, 0, sizeof(opener));
	memset(&counts, 0, sizeof(counts));
	memset(&given, 0, sizeof(given));
	for (size_t i = 0; i < nr; i++)
		opener.places[opener.nr_places++] = places[i];
	opener.error = -ENOENT;
	CHECK_INT(supplements_new(&s, NULL, &counts, on_missing, &missing), 0);
}
#define SET_UP(...)                                                                                \
	set_up((const char *const[]) { __VA_ARGS__ },                                              \
	       sizeof((const char *const[]) { __VA_ARGS__ }) / sizeof(char *))

static void tear_down(void)
{
	CHECK(!supplements_busy(s));
	s = supplements_free(s);
	CHECK_INT(counts.open, 0);
}

static void on_found(bool any, const struct supplements_given *give, void *userdata)
{
	found = any;
	given = *give;
}

/* Asks as a batch does: with what it was given last. */
static int look(const struct symbolizer_want *wants, size_t nr)
{
	const struct supplements_program program = { .root_fd = ROOT, .path = "/bin/app" };
	const struct supplements_given before = given;

	opener.nr_asked = 0;
	return supplements_find(s, &program, wants, nr, &before, on_found, NULL);
}

static struct symbolizer_want split(uint64_t id)
{
	return (struct symbolizer_want) { .kind = SYMBOLIZER_SUPPLEMENT_SPLIT,
					  .path = "/o/a.dwo",
					  .directory = "",
					  .dwo_id = id };
}

static bool was_asked(const char *what)
{
	for (size_t i = 0; i < opener.nr_asked; i++) {
		if (!strcmp(opener.asked[i], what))
			return true;
	}
	return false;
}

static void test_package_first(void)
{
	struct symbolizer_want want = split(1);

	SET_UP("root:/bin/app.dwp", "root:/o/a.dwo");
	CHECK_INT(look(&want, 1), 0);
	CHECK(found && given.package && !given.nr);
	CHECK(supplements_package_fd(s) >= 0 && supplements_alt_fd(s) < 0);
	CHECK_INT(opener.nr_asked, 1);
	/* It lacks the unit: its own file is next, and the last one. */
	CHECK_INT(look(&want, 1), 0);
	CHECK(found && given.nr == 1 && given.ids[0] == 1);
	CHECK_INT(look(&want, 1), 0); /* not the right one */
	CHECK(!found && !given.nr);
	CHECK_INT(counts.refused, 1);
	CHECK(supplements_are_missing(s, &want, 1));
	CHECK_INT(look(&want, 1), 0);
	CHECK(!found && !opener.nr_asked);
	tear_down();
}

static void test_places(void)
{
	struct symbolizer_want want = split(1);

	SET_UP("root:/bin/a.dwo");
	CHECK_INT(look(&want, 1), 0);
	CHECK(found && given.nr == 1 && !given.package);
	CHECK(was_asked("root:/o/a.dwo") && was_asked("root:/bin/a.dwo"));
	/* In the host's root only where there is nothing but debug files. */
	CHECK(was_asked("1:/usr/lib/debug/bin/app.dwp"));
	CHECK(!was_asked("1:/bin/app.dwp") && !was_asked("1:/o/a.dwo") && !was_asked("0:/o/a.dwo"));
	tear_down();
}

static void test_shared_file(void)
{
	struct symbolizer_want want = { .kind = SYMBOLIZER_SUPPLEMENT_ALT,
					.path = "/usr/lib/debug/.dwz/x",
					.directory = "",
					.id_len = 2,
					.id = { 1, 2 } };

	SET_UP("1:/usr/lib/debug/.dwz/x", "root:/usr/lib/debug/.build-id/01/02.debug");
	CHECK_INT(look(&want, 1), 0);
	CHECK(found && given.alt && supplements_alt_fd(s) >= 0);
	CHECK_INT(look(&want, 1), 0); /* of another build: the next place */
	CHECK(found && given.alt && counts.refused == 1);
	CHECK_INT(look(&want, 1), 0);
	CHECK(!found && !given.alt && supplements_alt_fd(s) < 0);
	CHECK_INT(missing, 1);
	/* It comes from elsewhere, and is not the right one either. */
	supplements_bring_alt(s, open("/dev/null", O_RDONLY | O_CLOEXEC));
	CHECK(supplements_alt_fd(s) >= 0 && !supplements_are_missing(s, &want, 1));
	given.alt = true;
	CHECK_INT(look(&want, 1), 0);
	CHECK(!found && !given.alt && supplements_alt_fd(s) < 0);
	CHECK_INT(missing, 2);
	CHECK(supplements_are_missing(s, &want, 1));
	tear_down();
}

static void test_an_opener_that_waits_in_vain(void)
{
	struct symbolizer_want wants[] = { split(1), split(2) };

	SET_UP("root:/none");
	opener.error = -ETIMEDOUT;
	CHECK_INT(look(wants, 2), 0);
	CHECK(!found && opener.nr_asked == 1 && counts.stalled == 1);
	CHECK(supplements_are_missing(s, wants, 2));
	CHECK_INT(look(wants, 2), -ETIMEDOUT);
	tear_down();
}

static void test_an_opener_that_dies(void)
{
	struct symbolizer_want want = split(1);

	SET_UP("root:/none");
	opener.error = -ECONNRESET;
	CHECK_INT(look(&want, 1), 0);
	CHECK(!found && opener.nr_asked == 1);
	CHECK(!supplements_are_missing(s, &want, 1)); /* it may be there */
	opener.error = -ENOENT;
	CHECK_INT(look(&want, 1), 0);
	CHECK(!found && supplements_are_missing(s, &want, 1));
	tear_down();
}

/* Twice as many as may be open, a request's at a time; then more ids than are remembered. */
static void test_bounds(void)
{
	struct symbolizer_want wants[SYMWIRE_SPLITS_MAX];
	uint64_t id = 0;

	SET_UP("root:/o/a.dwo");
	for (size_t round = 0; round < 2 * SUPPLEMENTS_OPEN_OF_ONE_MAX / ARRAY_SIZE(wants);
	     round++) {
		for (size_t i = 0; i < ARRAY_SIZE(wants); i++)
			wants[i] = split(++id);
		CHECK_INT(look(wants, ARRAY_SIZE(wants)), 0);
		CHECK(found);
		CHECK_INT(given.nr, ARRAY_SIZE(wants));
		CHECK(counts.open <= SUPPLEMENTS_OPEN_OF_ONE_MAX);
	}
	CHECK(counts.dropped >= SUPPLEMENTS_OPEN_OF_ONE_MAX - ARRAY_SIZE(wants));
	wants[0] = split(1); /* closed meanwhile, and there again */
	CHECK_INT(look(wants, 1), 0);
	CHECK(found && given.nr == 1 && opener.nr_asked == 1);
	while (id < SUPPLEMENTS_IDS_MAX + 10) {
		wants[0] = split(++id);
		CHECK_INT(look(wants, 1), 0);
		CHECK(found && given.nr == 1 && given.ids[0] == id);
	}
	CHECK(counts.dropped >= SUPPLEMENTS_IDS_MAX);
	tear_down();
}

int main(void)
{
	RUN(test_package_first);
	RUN(test_places);
	RUN(test_shared_file);
	RUN(test_an_opener_that_waits_in_vain);
	RUN(test_an_opener_that_dies);
	RUN(test_bounds);
	return 0;
}
