/* Files of equal content. */
#include "agent/core/twins.h"
#include "agent/base/clock.h"

#include <linux/magic.h>
#include <string.h>

#define TICK_NS                                                                                    \
	(100 * NSEC_PER_MSEC) /* more than any kernel's: before 6.13, ctime counts in ticks */

bool twins_fs_is_honest(uint32_t s_magic)
{
	switch (s_magic) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case SQUASHFS_MAGIC:
	case EROFS_SUPER_MAGIC_V1:
		return true;
	}
	return false; /* tmpfs keeps no times of mapped writes; FUSE and servers say what they like */
}

bool twins_may_be(const struct symbolizer_identity *a, const struct symbolizer_identity *b)
{
	return a->build_id_kind != SYMBOLIZER_BUILD_ID_NONE && a->build_id_len &&
	       a->build_id_kind == b->build_id_kind && a->build_id_len == b->build_id_len &&
	       !memcmp(a->build_id, b->build_id, a->build_id_len);
}

static uint64_t ns_of(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * NSEC_PER_SEC + (uint64_t)t->tv_nsec;
}

bool twins_ask(struct twin *twin, const struct stat *st, uint64_t now_ns)
{
	if (!S_ISREG(st->st_mode) || ns_of(&st->st_ctim) + TICK_NS > now_ns)
		return false;
	twin->state = TWIN_ASKED;
	twin->dev = st->st_dev;
	twin->ino = st->st_ino;
	twin->size = (uint64_t)st->st_size;
	twin->mtime_ns = ns_of(&st->st_mtim);
	twin->ctime_ns = ns_of(&st->st_ctim);
	return true;
}

static bool is_as_asked(const struct twin *twin, const struct stat *st)
{
	return twin->dev == st->st_dev && twin->ino == st->st_ino &&
	       twin->size == (uint64_t)st->st_size && twin->mtime_ns == ns_of(&st->st_mtim) &&
	       twin->ctime_ns == ns_of(&st->st_ctim);
}

void twins_answer(struct twin *twin, const uint8_t digest[SYMBOLIZER_DIGEST_SIZE],
		  const struct stat *st)
{
	if (!digest || !is_as_asked(twin, st)) {
		twin->state = TWIN_UNKNOWN;
		return;
	}
	memcpy(twin->digest, digest, sizeof(twin->digest));
	twin->state = TWIN_HASHED;
}

bool twins_is_as_hashed(const struct twin *twin, const struct stat *st)
{
	return twin->state == TWIN_HASHED && is_as_asked(twin, st);
}

void twins_recalled(struct twin *twin, const uint8_t digest[SYMBOLIZER_DIGEST_SIZE])
{
	memcpy(twin->digest, digest, sizeof(twin->digest));
	twin->state = TWIN_RECALLED;
}

bool twins_is_as_recalled(const struct twin *twin, const struct stat *st)
{
	return (twin->state == TWIN_HASHED || twin->state == TWIN_RECALLED) &&
	       is_as_asked(twin, st);
}

void twins_pair(struct twin *a, uint32_t id_a, struct twin *b, uint32_t id_b)
{
	struct twin *later = id_a < id_b ? b : a, *earlier = id_a < id_b ? a : b;
	uint32_t first = MIN(id_a, id_b);

	if (a->state != TWIN_HASHED || b->state != TWIN_HASHED || id_a == id_b ||
	    a->size != b->size || memcmp(a->digest, b->digest, sizeof(a->digest)) != 0)
		return;
	earlier->has_others = true;
	if (!later->first || first < later->first)
		later->first = first;
}
