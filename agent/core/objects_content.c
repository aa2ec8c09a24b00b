/* What is known of the mapped files' content: which were hashed, and whose names are kept under which digests. */
#include "agent/core/objects_internal.h"
#include "agent/base/clock.h"

#include <string.h>

#define KEY_DEBUG                                                                                  \
	(1ULL << 59) /* at the symbolizer, added to an object's id: its separate debug file */

/* ---- twins ---- */

static void pair(struct object *object)
{
	struct objects *o = object->objects;
	void *value;

	for (size_t it = 0; hashmap_next(o->by_id, &it, NULL, &value);) {
		struct object *other = *(struct object **)value;

		twins_pair(&object->twin, object->id, &other->twin, other->id);
	}
}

void objects_content_forget(struct object *gone)
{
	void *value;

	for (size_t it = 0; gone->twin.state == TWIN_HASHED &&
			    hashmap_next(gone->objects->by_id, &it, NULL, &value);) {
		struct object *object = *(struct object **)value;

		if (object->twin.first != gone->id)
			continue;
		object->twin.first = 0;
		pair(object);
	}
}

static bool may_be_twins(const struct object *a, const struct object *b)
{
	return a != b && !a->base && !b->base && a->elf_known && b->elf_known &&
	       a->identity.size == b->identity.size && twins_fs_is_honest(a->identity.s_magic) &&
	       twins_fs_is_honest(b->identity.s_magic) && twins_may_be(&a->elf, &b->elf);
}

/* ---- hashing ---- */

/* A file as its file system and the kernel side know it. */
static struct symdisk_revision revision_of(const struct rec_map *map, const struct twin *twin)
{
	return (struct symdisk_revision) { .ino = map->ino,
					   .size = twin->size,
					   .mtime_ns = twin->mtime_ns,
					   .ctime_ns = twin->ctime_ns,
					   .dev = map->dev,
					   .gen = map->gen };
}

/* The digest has come, or will not. */
static void take_digest(struct object *object, struct twin *twin, int fd, const struct rec_map *map,
			const uint8_t *digest)
{
	struct objects *o = object->objects;
	struct symdisk_revision revision;
	struct stat st;

	if (fstat(fd, &st) < 0)
		digest = NULL;
	twins_answer(twin, digest, &st);
	if (twin->state != TWIN_HASHED)
		return;
	o->hashed++;
	revision = revision_of(map, twin);
	if (object->kept)
		symdisk_remember(o->disk, &revision, twin->digest);
}

static void on_digest(enum symclient_status status, const uint8_t digest[SYMBOLIZER_DIGEST_SIZE],
		      void *userdata)
{
	struct object *object = userdata;
	struct objects *o = object->objects;

	object->hashing = false;
	take_digest(object, &object->twin, object->fd, &object->identity, digest);
	if (object->twin.state != TWIN_HASHED || o->last_id == FRAME_FILE_ID_MAX)
		return;
	object->content_id = ++o->last_id;
	pair(object);
}

static void on_debug_digest(enum symclient_status status,
			    const uint8_t digest[SYMBOLIZER_DIGEST_SIZE], void *userdata)
{
	struct object *object = userdata;

	object->hashing_debug = false;
	take_digest(object, &object->debug_twin, object->debug_fd, &object->debug_identity, digest);
}

/* Its file system has been found to be local: nobody makes us wait. */
static void hash(struct object *object, struct twin *twin, const struct symclient_file *file,
		 symclient_digest_fn fn, bool *hashing)
{
	struct objects *o = object->objects;
	enum twin_state before = twin->state;
	struct stat st;

	if ((before != TWIN_UNHASHED && before != TWIN_RECALLED) || fstat(file->fd, &st) < 0)
		return;
	if ((uint64_t)st.st_size > OBJECTS_HASH_BYTES - o->hash_bytes) {
		o->not_hashed++;
		return;
	}
	if (!twins_ask(twin, &st, clock_wall_ns()))
		return;
	o->hash_bytes += twin->size;
	*hashing = true;
	if (symclient_digest(o->symbolizer, file, fn, object) < 0) {
		*hashing = false;
		twin->state = TWIN_UNHASHED;
	}
}

static void hash_program(struct object *object)
{
	const struct symclient_file file = { .key = object->id, .fd = object->fd };

	hash(object, &object->twin, &file, on_digest, &object->hashing);
}

/* Programs in many containers have one debug file, the host's: has it been hashed for another one, as it is now? */
static bool is_hashed_already(struct object *object)
{
	struct twin *twin = &object->debug_twin;
	struct stat st;
	void *value;

	if (fstat(object->debug_fd, &st) < 0)
		return false;
	for (size_t it = 0; twin->state != TWIN_ASKED &&
			    hashmap_next(object->objects->by_id, &it, NULL, &value);) {
		const struct twin *other = &(*(struct object **)value)->debug_twin;

		if (!twins_is_as_hashed(other, &st))
			continue;
		*twin = *other;
		return true;
	}
	return false;
}

static void hash_debug(struct object *object)
{
	const struct symclient_file file = { .key = KEY_DEBUG | object->id,
					     .fd = object->debug_fd };

	if (object->debug_fd >= 0 && !is_hashed_already(object))
		hash(object, &object->debug_twin, &file, on_debug_digest, &object->hashing_debug);
}

/* Had it a digest in an earlier run, and has not changed since? */
static bool recall(struct object *object, struct twin *twin, int fd, const struct rec_map *map)
{
	uint8_t digest[SYMBOLIZER_DIGEST_SIZE];
	struct symdisk_revision revision;
	struct twin asked = *twin;
	struct stat st;

	if (twin->state != TWIN_UNHASHED || fstat(fd, &st) < 0 ||
	    !twins_ask(&asked, &st, clock_wall_ns()))
		return false;
	revision = revision_of(map, &asked);
	if (!symdisk_recall(object->objects->disk, &revision, digest))
		return false;
	*twin = asked;
	twins_recalled(twin, digest);
	object->objects->recalled++;
	return true;
}

/* ---- what is kept on disk ---- */

/* Only debug information takes longer to read than the file to hash, see symdisk.h. */
static bool is_worth_keeping(struct object *object)
{
	struct objects *o = object->objects;

	if (!o->disk || !twins_fs_is_honest(object->identity.s_magic))
		return false;
	if (object->debug_fd < 0)
		return object->elf.has_dwarf;
	return object->debug_identified && twins_fs_is_honest(object->debug_identity.s_magic);
}

void objects_content_settle(struct object *object)
{
	bool known;
	void *value;

	if (objects_first_of_names(object) != object)
		return;

	/* Hashing reads the whole file: where two look alike … */
	for (size_t it = 0; hashmap_next(object->objects->by_id, &it, NULL, &value);) {
		struct object *other = *(struct object **)value;

		if (!may_be_twins(object, other))
			continue;
		hash_program(other);
		hash_program(object);
	}
	/* … and where its names are to be kept. */
	object->kept = is_worth_keeping(object);
	if (!object->kept)
		return;
	known = recall(object, &object->twin, object->fd, &object->identity);
	if (object->debug_fd >= 0)
		known &= recall(object, &object->debug_twin, object->debug_fd,
				&object->debug_identity);
	if (!known)
		objects_want_content(object->objects, object->id);
}

void objects_want_content(struct objects *o, uint32_t id)
{
	struct object *const *object = hashmap_get(o->by_id, &id);

	if (!object || !(*object)->kept || (*object)->supplements)
		return;
	hash_program(*object);
	hash_debug(*object);
}

/* Are its files those of which these digests are known? */
static bool holds(const struct object *object,
		  bool (*is_as_known)(const struct twin *twin, const struct stat *st))
{
	struct stat st;

	return !object->searching && !object->supplements && !fstat(object->fd, &st) &&
	       is_as_known(&object->twin, &st) &&
	       (object->debug_fd < 0 ||
		(!fstat(object->debug_fd, &st) && is_as_known(&object->debug_twin, &st)));
}

/* Are its names those of the content that was hashed? */
static bool is_content(const struct object *object)
{
	return object->content_id && holds(object, twins_is_as_hashed);
}

bool objects_key(const struct object *object, struct symdisk_key *ret)
{
	if (!object->kept || !holds(object, twins_is_as_recalled))
		return false;
	*ret = (struct symdisk_key) { .program = { 0 } };
	memcpy(ret->program, object->twin.digest, sizeof(ret->program));
	if (object->debug_fd >= 0)
		memcpy(ret->debug, object->debug_twin.digest, sizeof(ret->debug));
	return true;
}

struct objects_content objects_content(const struct objects *o, const struct object *asked)
{
	const struct object *object = objects_first_of_names(asked);
	bool alone = object->debug_fd >= 0;
	const struct object *first =
		object->twin.first && !alone ? objects_get(o, object->twin.first) : object;
	bool shared = !alone && (object->twin.first || object->twin.has_others);

	if ((shared || object->kept) && first && is_content(object) &&
	    (first == object || (is_content(first) && first->debug_fd < 0)))
		return (struct objects_content) { .object = first, .id = first->content_id };
	return (struct objects_content) { .object = object, .id = object->debug_id ?: object->id };
}
