/* The mapped files. */
#include "agent/core/objects_internal.h"
#include "agent/base/log.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/*
 * A process that lives some milliseconds is often gone when its file is opened; the next process of that file
 * is another chance. After this many the id is announced all the same, and the file stays without names.
 */
#define ATTEMPTS_MAX 64
/* Requests under way at once: more would only wait in the opener while their processes exit. */
#define OPENING_MAX 512

static struct identity_key key_of(const struct rec_map *map)
{
	return (struct identity_key) { .ino = map->ino,
				       .ctime_ns = map->ctime_ns,
				       .size = 0,
				       .dev = map->dev,
				       .gen = map->gen };
}

/* Objects in that root wait for it to be open, or to be known not to be. */
static void on_root(struct root *root, void *userdata)
{
	struct objects *o = userdata;
	void *value;

	for (size_t it = 0; hashmap_next(o->by_id, &it, NULL, &value);) {
		struct object *object = *(struct object **)value;

		if (object->root == root)
			objects_debug_start(object);
	}
}

int objects_new(struct objects **ret, struct sampler *sampler, struct openclient *opener,
		struct symclient *symbolizer, struct table_source *tables, struct symdisk *disk,
		size_t max)
{
	_cleanup_(objects_freep) struct objects *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->sampler = sampler;
	o->opener = opener;
	o->symbolizer = symbolizer;
	o->tables = tables;
	o->disk = disk;
	o->max = max;
	o->window = 1;
	r = roots_new(&o->roots, opener, on_root, o);
	if (!r)
		r = hashmap_new(&o->by_identity, sizeof(struct identity_key),
				sizeof(struct object *), o->max);
	if (!r)
		r = objects_views_init(o);
	if (!r) /* as many views as files */
		r = hashmap_new(&o->by_id, sizeof(uint32_t), sizeof(struct object *), 2 * o->max);
	if (r)
		return r;
	*ret = TAKE_PTR(o);
	return 0;
}

void objects_set_remotedebug(struct objects *o, struct remotedebug *remote)
{
	o->remote = remote;
}

static struct object *object_free(struct object *object)
{
	if (!object)
		return NULL;
	if (!object->base) {
		close_fd(object->fd);
		free(object->path);
	}
	close_fd(object->debug_fd);
	close_fd(object->remote_fd);
	close_fd(object->alt.fd);
	supplements_free(object->supplements);
	root_put(object->root);
	free(object);
	return NULL;
}

struct objects *objects_free(struct objects *o)
{
	void *value;

	if (!o)
		return NULL;
	for (size_t it = 0; o->by_id && hashmap_next(o->by_id, &it, NULL, &value);)
		object_free(*(struct object **)value);
	hashmap_free(o->by_id);
	hashmap_free(o->views);
	hashmap_free(o->by_identity);
	roots_free(o->roots);
	free(o);
	return NULL;
}

static void announce(struct object *object)
{
	int r;

	if (object->announced)
		return;
	r = sampler_set_file(object->objects->sampler, &object->identity, object->id,
			     object->table_slot);
	if (r < 0)
		log_debug("cannot number %s: %s", object->identity.name, err_str(r));
	else
		object->announced = true;
}

struct symclient_file objects_request(const struct object *object)
{
	struct symclient_file file = { .key = object->id,
				       .owner = object->owner,
				       .fd = object->fd,
				       .debug_fd = MAX(object->debug_fd, 0) };

	if (object->supplements) {
		file.alt_fd = MAX(supplements_alt_fd(object->supplements), 0);
		file.package_fd = MAX(supplements_package_fd(object->supplements), 0);
	}
	return file;
}

static void on_identity(enum symclient_status status, const struct symbolizer_identity *identity,
			void *userdata)
{
	struct object *object = userdata;

	object->identifying = false;
	if (status != SYMCLIENT_OK)
		return;
	object->elf = *identity;
	object->elf_known = true;
	objects_debug_start(object);
	objects_views_follow(object);
}

/* The path that the kernel gives for a descriptor: in our mount namespace's view, " (deleted)" kept. */
static char *path_of(int fd)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	return n < 0 ? NULL : strndup(path, (size_t)n);
}

/* Is fd really the file revision that was mapped? Asked of the kernel side, below any overlay. */
static bool is_file_of(struct object *object, int fd)
{
	struct rec_map map;
	struct identity_key a = key_of(&object->identity), b;

	if (sampler_identify(object->objects->sampler, fd, &map) < 0)
		return false;
	b = key_of(&map);
	return !memcmp(&a, &b, sizeof(a));
}

static void on_open(int fd, int root, void *userdata)
{
	_cleanup_(closep) int owned = fd, owned_root = root;
	struct object *object = userdata;
	struct symclient_file file = { .key = object->id, .owner = object->owner };

	object->opening = false;
	if (fd < 0) {
		log_debug("cannot open %s: %s", object->identity.name, err_str(fd));
		if (object->attempts >= ATTEMPTS_MAX)
			announce(object);
		return;
	}
	if (!is_file_of(object, fd)) {
		object->objects->mismatches++;
		if (object->attempts >= ATTEMPTS_MAX)
			announce(object);
		return;
	}
	object->path = path_of(fd);
	roots_offer(object->objects->roots, TAKE_FD(owned_root));
	object->fd = file.fd = TAKE_FD(owned);
	object->table_slot = table_source_add(object->objects->tables, &file);
	announce(object);
	object->identifying = true;
	if (symclient_identity(object->objects->symbolizer, &file, on_identity, object) < 0) {
		object->identifying = false;
		log_debug("cannot ask for the identity of %s", object->identity.name);
	}
	objects_views_follow(object);
}

static void want_file(struct object *object, const struct rec_map *map,
		      const struct record_sample *head)
{
	struct openclient_mapping mapping = {
		.tgid = head->tgid,
		.start_boot_ns = head->start_boot_ns,
		.start = map->start,
		.end = map->end,
		.dev = map->dev,
		.s_magic = map->s_magic,
	};

	if (object->fd >= 0 || object->opening || object->attempts >= ATTEMPTS_MAX ||
	    openclient_pending(object->objects->opener) >= OPENING_MAX)
		return;
	/*
	 * A leader that has exited before its threads shows no mappings; a thread shows them by its own number, but not the
	 * process's start. That the file is the right one is asked of the kernel side in any case.
	 */
	if (object->attempts % 2) {
		mapping.tgid = head->tid;
		mapping.start_boot_ns = 0;
	}
	object->attempts++;
	object->opening = true;
	if (openclient_mapping(object->objects->opener, &mapping, on_open, object) < 0)
		object->opening = false;
}

struct object *objects_add(struct objects *o, const struct rec_map *map, uint64_t owner)
{
	struct object *object = calloc(1, sizeof(*object));
	void *value;

	if (!object)
		return NULL;
	object->objects = o;
	object->id = o->last_id + 1;
	object->identity = *map;
	object->fd = object->debug_fd = object->remote_fd = object->alt.fd = -1;
	object->table_slot = UNWIND_SLOT_NONE;
	object->owner = owner;
	if (object->id > FRAME_FILE_ID_MAX || hashmap_put(o->by_id, &object->id, &value, NULL))
		return object_free(object);
	*(struct object **)value = object;
	o->last_id = object->id;
	return object;
}

/* The object of a mapping; a new one when it was never seen; NULL when the table is full. */
static struct object *see(struct objects *o, const struct rec_map *map,
			  const struct record_sample *head, uint64_t owner)
{
	struct identity_key key = key_of(map);
	struct root_key root = objects_root_of(head);
	struct object *object;
	void *value;
	bool is_new;

	if (hashmap_put(o->by_identity, &key, &value, &is_new))
		return NULL;
	object = is_new ? objects_add(o, map, owner) : *(struct object **)value;
	if (!object) {
		hashmap_remove(o->by_identity, &key);
		return NULL;
	}
	if (is_new)
		objects_set_root(object, &root);
	*(struct object **)value = object;
	object->window = o->window;
	if (object->retiring) {
		object->retiring = false;
		if (object->fd >= 0 || object->attempts >= ATTEMPTS_MAX)
			announce(object);
	}
	return object;
}

/* The id that stands for the file of a word of user space, in the sample's root; 0: there is none. */
static uint32_t id_of(struct objects *o, uint64_t word, struct object *const *maps,
		      const struct record_sample *head, uint64_t owner)
{
	uint32_t id = FRAME_FILE_ID(word);
	struct object *const *known = FRAME_KIND(word) == FRAME_RECMAP
					      ? &maps[FRAME_RECMAP_INDEX(word)]
					      : hashmap_get(o->by_id, &id);
	const struct object *object = known && *known ? objects_view(*known, head, owner) : NULL;

	o->refused += !object;
	return object ? object->id : 0;
}

/* Frames of one file often follow each other: only the first one is looked up. */
static size_t translate_user(struct objects *o, const struct sampler_sample *sample,
			     struct object *const *maps, uint64_t owner, uint64_t *out)
{
	uint64_t last = UINT64_MAX; /* kind and file of the word before, and the id for it: */
	uint32_t id = 0;

	for (size_t i = 0; i < sample->head->nr_words_user; i++) {
		uint64_t word = sample->user_words[i];
		bool recmap = FRAME_KIND(word) == FRAME_RECMAP;
		uint64_t file = recmap ? word >> 52 : word >> 32;

		out[i] = word;
		if (!recmap && FRAME_KIND(word) != FRAME_FILE)
			continue;
		if (file != last)
			id = id_of(o, word, maps, sample->head, owner);
		last = file;
		out[i] = id ? FRAME_MAKE_FILE(id, word) : FRAME_MAKE_FILE(0, 0);
	}
	return sample->head->nr_words_user;
}

size_t objects_translate(struct objects *o, const struct sampler_sample *sample, uint64_t owner,
			 uint64_t *out)
{
	const struct record_sample *head = sample->head;
	struct object *maps[RECORD_MAX_MAPS];
	size_t n = 0;

	for (size_t i = 0; i < head->nr_maps; i++) {
		maps[i] = see(o, &sample->maps[i], head, owner);
		if (maps[i])
			want_file(maps[i], &sample->maps[i], head);
	}
	for (size_t i = 0; i < head->nr_words_kernel; i++)
		out[n++] = sample->kernel_words[i];
	return n + translate_user(o, sample, maps, owner, out + n);
}

const struct object *objects_get(const struct objects *o, uint32_t id)
{
	struct object *const *object = hashmap_get(o->by_id, &id);

	return object ? *object : NULL;
}

int objects_supply(struct objects *o, uint32_t id, const struct symbolizer_want *wants, size_t nr,
		   const struct supplements_given *given, supplements_fn fn, void *userdata)
{
	struct object *const *found = hashmap_get(o->by_id, &id);
	struct object *object = found ? *found : NULL;
	_cleanup_(freep) char *debug_path = NULL;
	struct supplements_program program = { .root_fd = -1 };
	int r = object ? 0 : -ENOENT;

	if (!r && !object->supplements)
		r = supplements_new(&object->supplements, o->opener, &o->supplements,
				    objects_alt_is_missing, object);
	if (r)
		return r;
	if (object->root)
		program.root_fd = root_fd(object->root);
	program.path = object->path;
	if (object->debug_fd >= 0)
		program.debug_path = debug_path = path_of(object->debug_fd);
	return supplements_find(object->supplements, &program, wants, nr, given, fn, userdata);
}

bool objects_supplies_are_missing(const struct object *object, const struct symbolizer_want *wants,
				  size_t nr)
{
	return object->supplements && supplements_are_missing(object->supplements, wants, nr);
}

void objects_touch(struct objects *o, const uint64_t *words, size_t nr)
{
	uint32_t last = 0;

	for (size_t i = 0; i < nr; i++) {
		uint32_t id = FRAME_FILE_ID(words[i]);
		struct object **object;

		if (FRAME_KIND(words[i]) != FRAME_FILE || id == last)
			continue;
		last = id;
		object = hashmap_get(o->by_id, &id);
		if (!object)
			continue;
		(*object)->window = o->window;
		if ((*object)->base)
			(*object)->base->window = o->window;
	}
}

/* Takes the id back. Records under way may still carry it: the object goes a window later. */
static void retire(struct objects *o, struct object *object)
{
	int r = object->announced ? sampler_forget_file(o->sampler, &object->identity) : 0;

	if (r < 0) {
		log_debug("cannot forget %s: %s", object->identity.name, err_str(r));
		return;
	}
	object->announced = false;
	object->retiring = true;
}

static void forget(struct objects *o, struct object *object)
{
	struct identity_key key = key_of(&object->identity);

	if (object->base)
		objects_views_forget(object);
	else
		hashmap_remove(o->by_identity, &key);
	hashmap_remove(o->by_id, &object->id);
	table_source_remove(o->tables, object->table_slot);
	objects_content_forget(object);
	object_free(object);
	o->forgotten++;
}

#define FORGET_AT_ONCE 256

static size_t forget_retired(struct objects *o)
{
	struct object *gone[FORGET_AT_ONCE];
	size_t nr = 0;
	void *value;

	for (size_t it = 0; nr < FORGET_AT_ONCE && hashmap_next(o->by_id, &it, NULL, &value);) {
		struct object *object = *(struct object **)value;

		if (object->retiring && !object->views && !object->opening &&
		    !object->identifying && !object->searching && !object->alt.asking &&
		    !object->hashing && !object->hashing_debug &&
		    !(object->supplements && supplements_busy(object->supplements)))
			gone[nr++] = object;
	}
	for (size_t i = 0; i < nr; i++)
		forget(o, gone[i]);
	return nr;
}

void objects_end_window(struct objects *o)
{
	size_t files = hashmap_count(o->by_identity), views = hashmap_count(o->views);
	bool crowded = MAX(files, views) > o->max / 4 * 3;
	uint64_t idle = crowded ? OBJECTS_IDLE_WINDOWS_MIN : OBJECTS_IDLE_WINDOWS;
	void *value;

	while (forget_retired(o) == FORGET_AT_ONCE)
		;
	for (size_t it = 0; hashmap_next(o->by_id, &it, NULL, &value);) {
		struct object *object = *(struct object **)value;

		if (o->window - object->window >= idle)
			retire(o, object);
		objects_debug_again(object);
		objects_alt_again(object);
	}
	o->window++;
	o->hash_bytes = 0;
	o->new_roots = 0;
}

void objects_add_less(struct objects *o, uint32_t id, uint8_t less)
{
	struct object *object = (struct object *)objects_get(o, id);

	less &= SYMBOLIZER_LESS_INLINES | SYMBOLIZER_LESS_LINES | SYMBOLIZER_LESS_FUNCTIONS;
	o->less_inlines += !!(less & SYMBOLIZER_LESS_INLINES);
	o->less_lines += !!(less & SYMBOLIZER_LESS_LINES);
	o->less_functions += !!(less & SYMBOLIZER_LESS_FUNCTIONS);
	if (!less || !object || object->shortened)
		return;
	object->shortened = true;
	log_info(
		"%s: its debug information does not fit into a symbolizer's memory: some names come without %s",
		object->path ? object->path : object->identity.name,
		less & SYMBOLIZER_LESS_FUNCTIONS ? "lines and inlined calls"
		: less & SYMBOLIZER_LESS_LINES   ? "lines"
						 : "inlined calls");
}

void objects_counts(const struct objects *o, struct objects_counts *ret)
{
	void *value;

	*ret = (struct objects_counts) { .seen = hashmap_count(o->by_identity),
					 .views = hashmap_count(o->views),
					 .forgotten = o->forgotten,
					 .refused = o->refused,
					 .mismatches = o->mismatches,
					 .wrong_debug_files = o->wrong_debug_files,
					 .hashed = o->hashed,
					 .not_hashed = o->not_hashed,
					 .recalled = o->recalled,
					 .supplements = o->supplements,
					 .roots_refused =
						 roots_refused(o->roots) + o->roots_passed_over,
					 .less_inlines = o->less_inlines,
					 .less_lines = o->less_lines,
					 .less_functions = o->less_functions };
	for (size_t it = 0; hashmap_next(o->by_id, &it, NULL, &value);) {
		const struct object *object = *(struct object **)value;

		if (object->base) {
			ret->views_apart += objects_first_of_names(object) == object;
			continue;
		}
		if (object->fd >= 0)
			ret->opened++;
		else
			ret->unopened++;
		ret->with_debug_file += object->debug_fd >= 0;
		ret->shared += objects_content(o, object).object != object;
		ret->shortened += object->shortened;
	}
}
