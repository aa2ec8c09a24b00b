/* Which files count as of equal content. */
#include "agent/core/twins.h"
#include "tests/test.h"

#include <linux/magic.h>

#define NOW_NS 1000000000000ULL

static const uint8_t digest_a[SYMBOLIZER_DIGEST_SIZE] = { 1, 2, 3 };
static const uint8_t digest_b[SYMBOLIZER_DIGEST_SIZE] = { 1, 2, 4 };

static struct symbolizer_identity identity_of(enum symbolizer_build_id_kind kind, uint32_t len,
					      uint8_t last)
{
	struct symbolizer_identity identity = { .build_id_kind = kind, .build_id_len = len };

	if (len)
		identity.build_id[len - 1] = last;
	return identity;
}

static struct stat file_of(off_t size, time_t changed)
{
	return (struct stat) { .st_mode = S_IFREG | 0755,
			       .st_dev = 1,
			       .st_ino = 2,
			       .st_size = size,
			       .st_mtim.tv_sec = changed,
			       .st_ctim.tv_sec = changed };
}

static struct twin hashed(off_t size, const uint8_t *digest)
{
	struct stat st = file_of(size, 500);
	struct twin twin = { .state = TWIN_UNHASHED };

	CHECK(twins_ask(&twin, &st, NOW_NS));
	CHECK_INT(twin.state, TWIN_ASKED);
	twins_answer(&twin, digest, &st);
	return twin;
}

static void test_may_be(void)
{
	struct symbolizer_identity none = identity_of(SYMBOLIZER_BUILD_ID_NONE, 0, 0);
	struct symbolizer_identity empty = identity_of(SYMBOLIZER_BUILD_ID_GNU, 0, 0);
	struct symbolizer_identity gnu = identity_of(SYMBOLIZER_BUILD_ID_GNU, 20, 7);
	struct symbolizer_identity other = identity_of(SYMBOLIZER_BUILD_ID_GNU, 20, 8);
	struct symbolizer_identity longer = identity_of(SYMBOLIZER_BUILD_ID_GNU, 21, 0);
	struct symbolizer_identity go = identity_of(SYMBOLIZER_BUILD_ID_GO, 20, 7);

	CHECK(twins_may_be(&gnu, &gnu) && twins_may_be(&go, &go));
	CHECK(!twins_may_be(&none, &none) && !twins_may_be(&empty, &empty));
	CHECK(!twins_may_be(&gnu, &other) && !twins_may_be(&gnu, &longer));
	CHECK(!twins_may_be(&gnu, &go) && !twins_may_be(&gnu, &none));
}

static void test_file_systems(void)
{
	CHECK(twins_fs_is_honest(EXT4_SUPER_MAGIC) && twins_fs_is_honest(BTRFS_SUPER_MAGIC));
	CHECK(!twins_fs_is_honest(TMPFS_MAGIC) && !twins_fs_is_honest(FUSE_SUPER_MAGIC) &&
	      !twins_fs_is_honest(NFS_SUPER_MAGIC) && !twins_fs_is_honest(0));
}

static void test_asking(void)
{
	struct stat st = file_of(10, NOW_NS / 1000000000);
	struct twin twin = { .state = TWIN_UNHASHED };

	CHECK(!twins_ask(&twin, &st, NOW_NS)); /* just written */
	st = file_of(10, NOW_NS / 1000000000 + 5); /* in the future */
	CHECK(!twins_ask(&twin, &st, NOW_NS));
	st = file_of(10, 500);
	st.st_mode = S_IFIFO;
	CHECK(!twins_ask(&twin, &st, NOW_NS));
	CHECK_INT(twin.state, TWIN_UNHASHED);
}

static void test_changes(void)
{
	struct stat st = file_of(10, 500), changed;
	struct twin twin = hashed(10, digest_a), a = hashed(10, digest_a);

	CHECK_INT(twin.state, TWIN_HASHED);
	CHECK(twins_is_as_hashed(&twin, &st));
	changed = st;
	changed.st_ctim.tv_nsec++; /* whoever writes can set mtime back, not this */
	CHECK(!twins_is_as_hashed(&twin, &changed));
	changed = st;
	changed.st_size--;
	CHECK(!twins_is_as_hashed(&twin, &changed));
	/* Changed while it was hashed. */
	twin = (struct twin) { .state = TWIN_UNHASHED };
	CHECK(twins_ask(&twin, &st, NOW_NS));
	twins_answer(&twin, digest_a, &changed);
	CHECK_INT(twin.state, TWIN_UNKNOWN);
	twins_pair(&a, 1, &twin, 2);
	CHECK_INT(twin.first, 0);
	twin = hashed(10, NULL);
	CHECK_INT(twin.state, TWIN_UNKNOWN);
	CHECK(!twins_is_as_hashed(&twin, &st));
}

/* What an earlier run knew is good for the file itself, and for no other. */
static void test_recalled(void)
{
	struct twin a = hashed(10, digest_a), twin = { .state = TWIN_UNHASHED };
	struct stat st = file_of(10, 500), changed = st;

	CHECK(twins_ask(&twin, &st, NOW_NS));
	twins_recalled(&twin, digest_a);
	CHECK(twins_is_as_recalled(&twin, &st) && !twins_is_as_hashed(&twin, &st));
	CHECK(twins_is_as_recalled(&a, &st));
	changed.st_ctim.tv_nsec++;
	CHECK(!twins_is_as_recalled(&twin, &changed));
	twins_pair(&a, 1, &twin, 2);
	CHECK(!twin.first && !a.has_others);
}

static void test_pairs(void)
{
	struct twin a = hashed(10, digest_a), b = hashed(10, digest_a), c = hashed(10, digest_a);
	struct twin forged = hashed(10, digest_b), unhashed = { .size = 10 };

	twins_pair(&c, 3, &b, 2); /* in whatever order the digests come */
	CHECK(c.first == 2 && !b.first && b.has_others && !c.has_others);
	twins_pair(&a, 1, &c, 3);
	twins_pair(&b, 2, &a, 1);
	CHECK(!a.first && b.first == 1 && c.first == 1);
	twins_pair(&c, 3, &b, 2); /* the first of all stays it */
	CHECK_INT(c.first, 1);
	twins_pair(&a, 1, &a, 1);
	CHECK(!a.first && a.has_others);
	twins_pair(&a, 1, &forged, 4);
	twins_pair(&a, 1, &unhashed, 5);
	CHECK(!forged.first && !unhashed.first && !forged.has_others);
}

int main(void)
{
	RUN(test_may_be);
	RUN(test_file_systems);
	RUN(test_asking);
	RUN(test_changes);
	RUN(test_recalled);
	RUN(test_pairs);
	return 0;
}
