/* Where separate debug files are looked for, and where not. */
#include "symbolizer/debug_paths.h"
#include "tests/test.h"

static char paths[DEBUG_PATHS_MAX][DEBUG_PATH_BYTES];

static struct symbolizer_identity identity(const char *link, uint32_t build_id_len)
{
	struct symbolizer_identity i = { .build_id_len = build_id_len };

	if (build_id_len)
		i.build_id_kind = SYMBOLIZER_BUILD_ID_GNU;
	for (uint32_t j = 0; j < build_id_len; j++)
		i.build_id[j] = (uint8_t)(0xa0 + j);
	snprintf(i.debuglink, sizeof(i.debuglink), "%s", link);
	return i;
}

static void test_both(void)
{
	struct symbolizer_identity i = identity("app.debug", 4);

	CHECK_INT(debug_paths(&i, "/srv/bin/app", paths), 4);
	CHECK_STR(paths[0], "/usr/lib/debug/.build-id/a0/a1a2a3.debug");
	CHECK_STR(paths[1], "/srv/bin/app.debug");
	CHECK_STR(paths[2], "/srv/bin/.debug/app.debug");
	CHECK_STR(paths[3], "/usr/lib/debug/srv/bin/app.debug");
}

static void test_folders(void)
{
	struct symbolizer_identity i = identity("app", 0);

	CHECK_INT(debug_paths(&i, "/app", paths), 2); /* the program itself is not its debug file */
	CHECK_STR(paths[0], "/.debug/app");
	CHECK_STR(paths[1], "/usr/lib/debug/app");
	CHECK_INT(debug_paths(&i, "/srv/old (deleted)", paths), 3);
	CHECK_STR(paths[0], "/srv/app");
	CHECK_INT(debug_paths(&i, "", paths), 0);
	CHECK_INT(debug_paths(&i, "relative/app", paths), 0);
}

static void test_links_that_are_no_names(void)
{
	static const char *const links[] = {
		"", "..", ".", "/etc/shadow", "../../etc/shadow", "a/b"
	};

	for (size_t j = 0; j < ARRAY_SIZE(links); j++) {
		struct symbolizer_identity i = identity(links[j], 0);

		CHECK_INT(debug_paths(&i, "/srv/app", paths), 0);
	}
}

static void test_build_ids(void)
{
	struct symbolizer_identity i = identity("", 1);

	CHECK_INT(debug_paths(&i, "/app", paths), 0); /* too short to be split */
	i = identity("", 20);
	CHECK_INT(debug_paths(&i, "/app", paths), 1);
	CHECK_STR(paths[0],
		  "/usr/lib/debug/.build-id/a0/a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3.debug");
	i.build_id_kind = SYMBOLIZER_BUILD_ID_GO;
	CHECK_INT(debug_paths(&i, "/app", paths), 0);
	i = identity("", SYMBOLIZER_BUILD_ID_MAX);
	CHECK_INT(debug_paths(&i, "/app", paths), 1);
}

static void test_paths_that_are_too_long(void)
{
	struct symbolizer_identity i = identity("app.debug", 0);
	char path[DEBUG_PATH_BYTES + 16];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = path[DEBUG_PATH_BYTES - 20] = '/';
	path[sizeof(path) - 1] = '\0';
	CHECK(debug_paths(&i, path, paths) < 3);
}

static size_t paths_of(enum symbolizer_supplement kind, const char *path, const char *directory,
		       const char *program, const char *debug)
{
	struct symbolizer_want want = { .kind = kind, .path = path, .directory = directory };

	if (kind == SYMBOLIZER_SUPPLEMENT_ALT) {
		want.id_len = 3;
		memcpy(want.id, "\1\2\3", 3);
	}
	return debug_paths_of_want(&want, program, debug, paths);
}

static void test_shared_files(void)
{
	const enum symbolizer_supplement alt = SYMBOLIZER_SUPPLEMENT_ALT;

	CHECK_INT(paths_of(alt, "/usr/lib/debug/.dwz/x.debug", "", "/bin/app", ""), 2);
	CHECK_STR(paths[0], "/usr/lib/debug/.dwz/x.debug");
	CHECK(debug_path_is_public(paths[0]));
	CHECK_STR(paths[1], "/usr/lib/debug/.build-id/01/0203.debug");
	CHECK(debug_path_is_public(paths[1]));
	/* Relative to the file that names it. */
	CHECK_INT(paths_of(alt, "../../../.dwz/x", "", "/bin/app",
			   "/usr/lib/debug/usr/./bin/../bin/app.debug"),
		  2);
	CHECK_STR(paths[0], "/usr/lib/.dwz/x");
	CHECK(!debug_path_is_public(paths[0]));
	CHECK_INT(paths_of(alt, "../../.dwz/x", "", "/bin/app", "/usr/lib/debug/usr/bin/app.debug"),
		  2);
	CHECK_STR(paths[0], "/usr/lib/debug/.dwz/x");
	CHECK_INT(paths_of(alt, "x", "", "/bin/app (deleted)", ""), 2);
	CHECK_STR(paths[0], "/bin/x");
	CHECK_INT(paths_of(alt, "../../../../..", "", "/bin/app", ""), 1); /* the build ID's */
	CHECK_INT(paths_of(alt, "x", "", "", ""), 1);
}

static void test_split_files(void)
{
	const enum symbolizer_supplement split = SYMBOLIZER_SUPPLEMENT_SPLIT;

	CHECK_INT(paths_of(split, "obj/a.dwo", "/src", "/bin/app", ""), 3);
	CHECK_STR(paths[0], "/src/obj/a.dwo");
	CHECK_STR(paths[1], "/bin/obj/a.dwo");
	CHECK_STR(paths[2], "/bin/a.dwo");
	CHECK_INT(paths_of(split, "/src/obj/a.dwo", "/elsewhere", "/bin/app", ""), 2);
	CHECK_STR(paths[0], "/src/obj/a.dwo");
	CHECK_STR(paths[1], "/bin/a.dwo");
	CHECK_INT(paths_of(split, "a.dwo", ".", "/bin/app", ""), 1);
	CHECK_STR(paths[0], "/bin/a.dwo");
	CHECK_INT(paths_of(split, "a.dwo", "", "", ""), 0);
	CHECK_INT(paths_of(split, "a.dwo", "", "/proc/1/exe", ""), 0);
	CHECK_INT(debug_paths_of_package("/srv/app (deleted)", paths), 2);
	CHECK_STR(paths[0], "/srv/app.dwp");
	CHECK_STR(paths[1], "/usr/lib/debug/srv/app.dwp");
	CHECK_INT(debug_paths_of_package("", paths), 0);
}

static void test_public_paths(void)
{
	CHECK(debug_path_is_public("/usr/lib/debug/a"));
	CHECK(!debug_path_is_public("/usr/lib/debugger"));
	CHECK(!debug_path_is_public("/usr/lib/debug"));
	CHECK(!debug_path_is_public("/usr/lib/debug/../../../etc/shadow"));
	CHECK(!debug_path_is_public("/usr/lib/debug/a/.."));
	CHECK(!debug_path_is_public("/etc/shadow"));
	CHECK(!debug_path_is_public("usr/lib/debug/a"));
	CHECK(!debug_path_is_public(""));
}

int main(void)
{
	RUN(test_both);
	RUN(test_folders);
	RUN(test_links_that_are_no_names);
	RUN(test_build_ids);
	RUN(test_paths_that_are_too_long);
	RUN(test_shared_files);
	RUN(test_split_files);
	RUN(test_public_paths);
	return 0;
}
