/* Root folders of processes. */
#include "agent/core/roots.h"
#include "agent/base/hashmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct root_key {
	uint64_t mount, ino;
	uint32_t major, minor;
};

struct root {
	struct roots *roots;
	struct root_key key;
	int fd;
	unsigned int references;
};

struct roots {
	struct hashmap *by_key; /* struct root_key → struct root * */
	uint64_t refused;
};

int roots_new(struct roots **ret)
{
	_cleanup_(roots_freep) struct roots *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	e = hashmap_new(&r->by_key, sizeof(struct root_key), sizeof(struct root *), ROOTS_MAX);
	if (e)
		return e;
	*ret = TAKE_PTR(r);
	return 0;
}

struct roots *roots_free(struct roots *r)
{
	if (r)
		hashmap_free(r->by_key);
	free(r);
	return NULL;
}

/* While its descriptor is open, a mount's number is not given to another one. */
static bool read_key(int fd, struct root_key *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_mask & STATX_MNT_ID))
		return false;
	*ret = (struct root_key) { .mount = st.stx_mnt_id,
				   .ino = st.stx_ino,
				   .major = st.stx_dev_major,
				   .minor = st.stx_dev_minor };
	return true;
}

struct root *roots_take(struct roots *r, int fd)
{
	_cleanup_(closep) int owned = fd;
	struct root_key key;
	struct root *root;
	void *value;
	bool is_new;

	if (fd < 0 || !read_key(fd, &key))
		return NULL;
	if (hashmap_put(r->by_key, &key, &value, &is_new)) {
		r->refused++;
		return NULL;
	}
	if (is_new) {
		root = calloc(1, sizeof(*root));
		if (!root) {
			hashmap_remove(r->by_key, &key);
			return NULL;
		}
		*root = (struct root) { .roots = r, .key = key, .fd = TAKE_FD(owned) };
		*(struct root **)value = root;
	}
	root = *(struct root **)value;
	root->references++;
	return root;
}

struct root *root_put(struct root *root)
{
	if (!root || --root->references)
		return NULL;
	hashmap_remove(root->roots->by_key, &root->key);
	close_fd(root->fd);
	free(root);
	return NULL;
}

int root_fd(const struct root *root)
{
	return root->fd;
}

uint64_t roots_refused(const struct roots *r)
{
	return r->refused;
}
