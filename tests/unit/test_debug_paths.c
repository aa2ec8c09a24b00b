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

int main(void)
{
	RUN(test_both);
	RUN(test_folders);
	RUN(test_links_that_are_no_names);
	RUN(test_build_ids);
	RUN(test_paths_that_are_too_long);
	return 0;
}
