/* Perf maps and jitdumps by process. */
#include "agent/core/jitmaps.h"
#include "agent/base/hashmap.h"
#include "agent/base/log.h"

#include <linux/types.h>

#include "bpf/record.h"

#include <errno.h>

struct process_key {
	uint64_t start_boot_ns;
	uint32_t tgid, pad;
};

enum { DUMP, PERF_MAP, NR_FILES }; /* the better one first: it knows lines */

struct jitmap_file {
	struct jitmap *map;
	bool asking;
	int fd;
};

struct jitmap {
	struct jitmaps *maps; /* NULL: evicted while an answer was under way */
	struct process_key key;
	uint64_t number, seen_ns, next_ns, pause_ns; /* next_ns: not asked for before */
	struct jitmap_file files[NR_FILES];
	struct openclient_place place;
	bool asking_place;
	int place_fd; /* of the folder where the perf map will be, or -1 */
};

struct jitmaps {
	struct openclient *opener;
	struct hashmap *by_process; /* struct process_key → struct jitmap * */
	uint64_t next_number;
	bool late_maps;
	struct jitmaps_counts counts;
};

int jitmaps_new(struct jitmaps **ret, struct openclient *opener, bool late_maps)
{
	_cleanup_(jitmaps_freep) struct jitmaps *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->opener = opener;
	j->late_maps = late_maps;
	r = hashmap_new(&j->by_process, sizeof(struct process_key), sizeof(struct jitmap *),
			JITMAPS_MAX);
	if (r)
		return r;
	*ret = TAKE_PTR(j);
	return 0;
}

static bool is_asking(const struct jitmap *map)
{
	return map->files[DUMP].asking || map->files[PERF_MAP].asking || map->asking_place;
}

/* Forgets a map; one whose answers are under way is freed when the last of them comes. */
static void let_go(struct jitmap *map)
{
	for (size_t i = 0; i < NR_FILES; i++)
		map->files[i].fd = close_fd(map->files[i].fd);
	map->place_fd = close_fd(map->place_fd);
	if (is_asking(map))
		map->maps = NULL;
	else
		free(map);
}

struct jitmaps *jitmaps_free(struct jitmaps *j)
{
	void *value;
	size_t it = 0;

	if (!j)
		return NULL;
	while (j->by_process && hashmap_next(j->by_process, &it, NULL, &value))
		let_go(*(struct jitmap **)value);
	hashmap_free(j->by_process);
	free(j);
	return NULL;
}

/* Nobody waits for an answer any more; the last one frees the map. */
static bool was_let_go(struct jitmap *map, int fd)
{
	if (map->maps)
		return false;
	close_fd(fd);
	if (!is_asking(map))
		free(map);
	return true;
}

static void on_place(int fd, const struct openclient_place *place, void *userdata)
{
	struct jitmap *map = userdata;

	map->asking_place = false;
	if (was_let_go(map, fd) || fd < 0)
		return;
	map->place_fd = fd;
	map->place = *place;
}

static void on_open(int fd, void *userdata)
{
	struct jitmap_file *file = userdata;
	struct jitmap *map = file->map;

	file->asking = false;
	if (was_let_go(map, fd))
		return;
	if (fd >= 0) {
		if (file == &map->files[PERF_MAP])
			map->place_fd = close_fd(map->place_fd);
		file->fd = fd;
		map->number = ++map->maps->next_number;
		return;
	}
	if (fd == -EPERM || fd == -EFBIG || fd == -ELOOP || fd == -EINVAL) {
		map->maps->counts.refused++;
		log_debug("the %s of process %u is not used: %s",
			  file == &map->files[DUMP] ? "jitdump" : "perf map", map->key.tgid,
			  err_str(fd));
	}
}

static bool has_generated_code(const uint64_t *words, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (FRAME_KIND(words[i]) == FRAME_ANON)
			return true;
	}
	return false;
}

static void evict_one(struct jitmaps *j)
{
	struct jitmap *oldest = NULL;
	void *value;
	size_t it = 0;

	while (hashmap_next(j->by_process, &it, NULL, &value)) {
		struct jitmap *map = *(struct jitmap **)value;

		if (!oldest || map->seen_ns < oldest->seen_ns)
			oldest = map;
	}
	if (!oldest)
		return;
	hashmap_remove(j->by_process, &oldest->key);
	j->counts.evicted++;
	let_go(oldest);
}

static struct jitmap *find_or_add(struct jitmaps *j, const struct process_key *key)
{
	struct jitmap **found = hashmap_get(j->by_process, key), *map;
	void *value;

	if (found)
		return *found;
	if (hashmap_count(j->by_process) == JITMAPS_MAX)
		evict_one(j);
	map = calloc(1, sizeof(*map));
	if (!map)
		return NULL;
	*map = (struct jitmap) { .maps = j,
				 .key = *key,
				 .pause_ns = JITMAPS_PAUSE_MIN_NS,
				 .place_fd = -1,
				 .files = { { .map = map, .fd = -1 }, { .map = map, .fd = -1 } } };
	if (hashmap_put(j->by_process, key, &value, NULL)) {
		free(map);
		return NULL;
	}
	*(struct jitmap **)value = map;
	return map;
}

/* Asks for what is missing. An answer may come within the call. */
static void ask(struct jitmaps *j, struct jitmap *map)
{
	struct jitmap_file *dump = &map->files[DUMP], *perf_map = &map->files[PERF_MAP];
	uint64_t start = map->key.start_boot_ns;
	uint32_t tgid = map->key.tgid;

	if (dump->fd < 0) {
		dump->asking = true;
		if (openclient_jitdump(j->opener, tgid, start, on_open, dump) < 0)
			dump->asking = false;
	}
	if (perf_map->fd < 0) {
		perf_map->asking = true;
		if (openclient_perf_map(j->opener, tgid, start, on_open, perf_map) < 0)
			perf_map->asking = false;
	}
	if (j->late_maps && perf_map->fd < 0 && map->place_fd < 0) {
		map->asking_place = true;
		if (openclient_map_place(j->opener, tgid, start, on_place, map) < 0)
			map->asking_place = false;
	}
}

void jitmaps_look_again(struct jitmaps *j)
{
	void *value;
	size_t it = 0;

	while (hashmap_next(j->by_process, &it, NULL, &value)) {
		struct jitmap *map = *(struct jitmap **)value;
		struct jitmap_file *file = &map->files[PERF_MAP];

		if (file->fd >= 0 || file->asking || map->place_fd < 0)
			continue;
		file->asking = true;
		if (openclient_map_at(j->opener, map->place_fd, &map->place, on_open, file) < 0)
			file->asking = false;
	}
}

void jitmaps_see(struct jitmaps *j, uint32_t tgid, uint64_t start_boot_ns, const uint64_t *words,
		 size_t nr, uint64_t now_ns)
{
	struct process_key key = { .start_boot_ns = start_boot_ns, .tgid = tgid };
	struct jitmap *map;

	if (!has_generated_code(words, nr))
		return;
	map = find_or_add(j, &key);
	if (!map)
		return;
	map->seen_ns = now_ns;
	if (is_asking(map) || now_ns < map->next_ns)
		return;
	map->next_ns = now_ns + map->pause_ns;
	map->pause_ns = MIN(2 * map->pause_ns, JITMAPS_PAUSE_MAX_NS);
	ask(j, map);
}

bool jitmaps_files(const struct jitmaps *j, uint32_t tgid, uint64_t start_boot_ns,
		   struct jitmaps_files *ret)
{
	struct process_key key = { .start_boot_ns = start_boot_ns, .tgid = tgid };
	struct jitmap **found = hashmap_get(j->by_process, &key);
	const struct jitmap_file *files = found ? (*found)->files : NULL;

	if (!files || (files[DUMP].fd < 0 && files[PERF_MAP].fd < 0))
		return false;
	*ret = (struct jitmaps_files) { .fd = files[DUMP].fd,
					.second_fd = files[PERF_MAP].fd,
					.number = (*found)->number };
	if (ret->fd < 0) {
		ret->fd = ret->second_fd;
		ret->second_fd = -1;
	}
	return true;
}

void jitmaps_counts(const struct jitmaps *j, struct jitmaps_counts *ret)
{
	void *value;
	size_t it = 0;

	*ret = j->counts;
	ret->processes = hashmap_count(j->by_process);
	ret->opened = 0;
	while (hashmap_next(j->by_process, &it, NULL, &value)) {
		const struct jitmap *map = *(struct jitmap **)value;

		ret->opened += (map->files[DUMP].fd >= 0) + (map->files[PERF_MAP].fd >= 0);
	}
}
