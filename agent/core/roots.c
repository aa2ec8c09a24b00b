/* Root folders of processes. */
#include "agent/core/roots.h"
#include "agent/base/hashmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* A process that lives some milliseconds is often gone when its root is opened; the next one is another chance. */
#define ATTEMPTS_MAX 64

struct root {
	struct roots *roots;
	struct root_key key;
	int fd;
	unsigned int references, attempts;
	bool asked;
};

struct roots {
	struct openclient *opener;
	struct hashmap *by_key; /* struct root_key → struct root * */
	roots_fn fn;
	void *userdata;
	uint64_t refused;
};

int roots_new(struct roots **ret, struct openclient *opener, roots_fn fn, void *userdata)
{
	_cleanup_(roots_freep) struct roots *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	r->opener = opener;
	r->fn = fn;
	r->userdata = userdata;
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

static bool read_key(int fd, struct root_key *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_mask & STATX_MNT_ID))
		return false;
	*ret = (struct root_key) { .mount = (uint32_t)st.stx_mnt_id, .ino = st.stx_ino };
	return true;
}

struct root *roots_get(struct roots *r, const struct root_key *key)
{
	struct root *root;
	void *value;
	bool is_new;

	if (hashmap_put(r->by_key, key, &value, &is_new)) {
		r->refused++;
		return NULL;
	}
	if (is_new) {
		root = calloc(1, sizeof(*root));
		if (!root) {
			hashmap_remove(r->by_key, key);
			return NULL;
		}
		*root = (struct root) { .roots = r, .key = *key, .fd = -1 };
		*(struct root **)value = root;
	}
	root = *(struct root **)value;
	root->references++;
	return root;
}

bool roots_know(const struct roots *r, const struct root_key *key)
{
	return hashmap_get(r->by_key, key);
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

void roots_offer(struct roots *r, int fd)
{
	_cleanup_(closep) int owned = fd;
	struct root *const *root;
	struct root_key key;

	if (fd < 0 || !read_key(fd, &key))
		return;
	root = hashmap_get(r->by_key, &key);
	if (root && (*root)->fd < 0)
		(*root)->fd = TAKE_FD(owned);
}

static void on_open(int fd, void *userdata)
{
	struct root *root = userdata;

	root->asked = false;
	roots_offer(root->roots, fd);
	root->roots->fn(root, root->roots->userdata);
	root_put(root);
}

void root_want(struct root *root, uint32_t tgid, uint32_t tid, uint64_t start_boot_ns)
{
	bool by_thread = root->attempts % 2; /* it shows not the process's start */

	if (root->fd >= 0 || root->asked || root->attempts == ATTEMPTS_MAX)
		return;
	root->attempts++;
	root->asked = true;
	root->references++;
	if (openclient_root(root->roots->opener, by_thread ? tid : tgid,
			    by_thread ? 0 : start_boot_ns, on_open, root) < 0) {
		root->asked = false;
		root->references--;
	}
}

int root_fd(const struct root *root)
{
	return root->fd;
}

bool root_is_asked(const struct root *root)
{
	return root->asked;
}

uint64_t roots_refused(const struct roots *r)
{
	return r->refused;
}
