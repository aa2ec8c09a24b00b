/* Files and owners that have killed too many children. */
#include "symbolizer/quarantine.h"
#include "agent/base/hashmap.h"

#include <errno.h>

/* Beyond these the oldest knowledge is dropped; each entry cost its sender a child. */
#define FILES_MAX 4096
#define OWNERS_MAX 1024

struct owner_kills {
	uint64_t since_ns; /* start of the hour that is counted */
	uint32_t kills;
};

struct quarantine {
	struct hashmap *files; /* key → uint32_t kills */
	struct hashmap *owners; /* owner → struct owner_kills */
};

int quarantine_new(struct quarantine **ret)
{
	_cleanup_(quarantine_freep) struct quarantine *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	r = hashmap_new(&q->files, sizeof(uint64_t), sizeof(uint32_t), FILES_MAX);
	if (!r)
		r = hashmap_new(&q->owners, sizeof(uint64_t), sizeof(struct owner_kills),
				OWNERS_MAX);
	if (r)
		return r;
	*ret = TAKE_PTR(q);
	return 0;
}

struct quarantine *quarantine_free(struct quarantine *q)
{
	if (!q)
		return NULL;
	hashmap_free(q->files);
	hashmap_free(q->owners);
	free(q);
	return NULL;
}

static void *entry(struct hashmap *m, uint64_t key)
{
	void *value;
	int r = hashmap_put(m, &key, &value, NULL);

	if (r == HASHMAP_E_FULL) {
		hashmap_clear(m);
		r = hashmap_put(m, &key, &value, NULL);
	}
	return r ? NULL : value;
}

void quarantine_add(struct quarantine *q, uint64_t key, uint64_t owner, uint64_t now_ns)
{
	uint32_t *kills = entry(q->files, key);
	struct owner_kills *o = owner ? entry(q->owners, owner) : NULL;

	if (kills)
		(*kills)++;
	if (!o)
		return;
	if (now_ns - o->since_ns > QUARANTINE_OWNER_NS)
		*o = (struct owner_kills) { .since_ns = now_ns };
	o->kills++;
}

bool quarantine_has(const struct quarantine *q, uint64_t key, uint64_t owner, uint64_t now_ns)
{
	const uint32_t *kills = hashmap_get(q->files, &key);
	const struct owner_kills *o = owner ? hashmap_get(q->owners, &owner) : NULL;

	if (kills && *kills >= QUARANTINE_FILE_KILLS)
		return true;
	return o && o->kills > QUARANTINE_OWNER_KILLS &&
	       now_ns - o->since_ns <= QUARANTINE_OWNER_NS;
}
