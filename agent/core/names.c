/* Container names. */
#include "agent/core/names.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MOUNTINFO_MAX (1u << 20)
#define LOOKUPS_MAX 1024
#define KEY_FIRST (1ULL << 40) /* the symbolizer's keys: behind those of mapped files */

struct lookup {
	struct names *names;
	struct lookup *next, **link;
	char id[160];
	char paths[NAMES_PATHS_MAX][NAMES_PATH_MAX];
	size_t nr_paths, tried;
	uint32_t asked_root; /* see names.root_of */
	names_fn fn;
	void *userdata;
};

static const struct owner_names nothing = { "", "", "", "", "" };

struct names {
	struct openclient *opener;
	struct symclient *symbolizer;
	struct lookup *lookups;
	size_t pending;
	uint64_t next_key;
	/*
	 * Whose root directory holds the runtimes' files: process 1's is the host's, also for an agent in a container of
	 * its own; where a security module denies it, ours.
	 */
	uint32_t root_of;
};

int names_new(struct names **ret, struct openclient *opener, struct symclient *symbolizer)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->opener = opener;
	n->symbolizer = symbolizer;
	n->next_key = KEY_FIRST;
	n->root_of = 1;
	*ret = n;
	return 0;
}

/* Callbacks of the opener and the symbolizer may still come for these: they find names gone, and free them. */
struct names *names_free(struct names *n)
{
	if (!n)
		return NULL;
	for (struct lookup *l = n->lookups; l; l = l->next)
		l->names = NULL;
	free(n);
	return NULL;
}

size_t names_pending(const struct names *n)
{
	return n->pending;
}

/* mountinfo writes blanks and backslashes as \040 and the like. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && isdigit((unsigned char)s[1]) && isdigit((unsigned char)s[2]) &&
		    isdigit((unsigned char)s[3])) {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* The value of upperdir= among the options of the overlay that is mounted on "/"; false if there is none. */
static bool find_upperdir(const char *mountinfo, char *out, size_t size)
{
	for (const char *line = mountinfo; *line;) {
		size_t len = strcspn(line, "\n");
		char mount_point[8] = "";
		const char *options;

		/* 36 35 98:0 /root / rw,… - overlay overlay rw,…,upperdir=…,… */
		if (sscanf(line, "%*u %*u %*s %*s %7s", mount_point) == 1 &&
		    !strcmp(mount_point, "/") && memmem(line, len, " - overlay ", 11)) {
			options = memmem(line, len, ",upperdir=", 10);
			if (!options)
				return false;
			options += 10;
			len = strcspn(options, ", \n");
			if (len >= size)
				return false;
			memcpy(out, options, len);
			out[len] = '\0';
			unescape(out);
			return *out == '/';
		}
		line += len;
		line += *line == '\n';
	}
	return false;
}

static void add_path(char (*paths)[NAMES_PATH_MAX], size_t max, size_t *nr, const char *root,
		     size_t root_len, const char *format, const char *id)
{
	char rest[NAMES_PATH_MAX];

	if (*nr >= max)
		return;
	snprintf(rest, sizeof(rest), format, id);
	if ((size_t)snprintf(paths[*nr], NAMES_PATH_MAX, "%.*s%s", (int)root_len, root, rest) <
	    NAMES_PATH_MAX)
		(*nr)++;
}

#define DOCKER_FILE "/containers/%s/config.v2.json"
#define STORAGE_FILE "/overlay-containers/containers.json"
#define BUNDLE_FILE "/io.containerd.runtime.v2.task/k8s.io/%s/config.json"
#define BUNDLE_FILE_DEFAULT "/io.containerd.runtime.v2.task/default/%s/config.json"

size_t names_paths(const char *mountinfo, const char *id, char (*paths)[NAMES_PATH_MAX], size_t max)
{
	char upperdir[NAMES_PATH_MAX];
	const char *at;
	size_t nr = 0;

	if (strchr(id, '/') || !strcmp(id, "..") || !strcmp(id, ".") || !*id)
		return 0;
	if (find_upperdir(mountinfo, upperdir, sizeof(upperdir))) {
		at = strstr(upperdir, "/overlay2/");
		if (at)
			add_path(paths, max, &nr, upperdir, (size_t)(at - upperdir), DOCKER_FILE,
				 id);
		at = strstr(upperdir, "/overlay/");
		if (at)
			add_path(paths, max, &nr, upperdir, (size_t)(at - upperdir), STORAGE_FILE,
				 id);
	}
	add_path(paths, max, &nr, "/run/containerd", 15, BUNDLE_FILE, id);
	add_path(paths, max, &nr, "/run/containerd", 15, BUNDLE_FILE_DEFAULT, id);
	add_path(paths, max, &nr, "/var/lib/docker", 15, DOCKER_FILE, id);
	add_path(paths, max, &nr, "/var/lib/containers/storage", 27, STORAGE_FILE, id);
	return nr;
}

static void finish(struct lookup *l, const struct owner_names *names)
{
	if (l->names) {
		l->names->pending--;
		*l->link = l->next;
		if (l->next)
			l->next->link = l->link;
		l->fn(names, l->userdata);
	}
	free(l);
}

static void try_next(struct lookup *l);

static void on_containers(enum symclient_status status,
			  const struct symclient_container *containers, size_t nr, void *userdata)
{
	struct lookup *l = userdata;

	for (size_t i = 0; status == SYMCLIENT_OK && i < nr; i++) {
		const struct symclient_container *c = &containers[i];

		/* A bundle holds one container, and does not repeat its id. */
		if (*c->name && (!strcmp(c->id, l->id) || (!*c->id && nr == 1))) {
			finish(l, &(struct owner_names) { .name = c->name,
							  .image = c->image,
							  .pod = c->pod,
							  .namespace = c->namespace,
							  .container = c->container });
			return;
		}
	}
	try_next(l);
}

static void on_file(int fd, void *userdata)
{
	_cleanup_(closep) int owned = fd;
	struct lookup *l = userdata;
	struct symclient_file file = { .fd = owned };

	/* In a PID namespace of our own we may be process 1 ourselves: nothing else to try then. */
	if ((owned == -EACCES || owned == -EPERM) && l->names && l->asked_root == 1 &&
	    getpid() != 1) {
		l->names->root_of = (uint32_t)getpid();
		l->tried--;
	}
	if (owned < 0 || !l->names) {
		try_next(l);
		return;
	}
	file.key = l->names->next_key++;
	if (symclient_containers(l->names->symbolizer, &file, on_containers, l) < 0)
		try_next(l);
}

static void try_next(struct lookup *l)
{
	while (l->names && l->tried < l->nr_paths) {
		const char *path = l->paths[l->tried++];

		l->asked_root = l->names->root_of;
		if (!openclient_in_root(l->names->opener, l->asked_root, 0, path, on_file, l))
			return;
	}
	finish(l, &nothing);
}

static void on_mountinfo(int fd, void *userdata)
{
	_cleanup_(closep) int owned = fd;
	_cleanup_(buf_deinitp) struct buf text = BUF_NULL;
	struct lookup *l = userdata;

	buf_init(&text, MOUNTINFO_MAX);
	if (owned >= 0 && sys_read_all(owned, &text) < 0)
		buf_reset(&text);
	l->nr_paths = names_paths(buf_str(&text), l->id, l->paths, NAMES_PATHS_MAX);
	try_next(l);
}

int names_look_up(struct names *n, const char *container_id, uint32_t tgid, uint64_t start_boot_ns,
		  names_fn fn, void *userdata)
{
	struct lookup *l;

	if (n->pending >= LOOKUPS_MAX)
		return -EBUSY;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->names = n;
	l->fn = fn;
	l->userdata = userdata;
	snprintf(l->id, sizeof(l->id), "%s", container_id);
	l->next = n->lookups;
	l->link = &n->lookups;
	if (l->next)
		l->next->link = &l->next;
	n->lookups = l;
	n->pending++;
	if (!tgid || openclient_proc(n->opener, tgid, "mountinfo", on_mountinfo, l) < 0)
		on_mountinfo(-ENOENT, l);
	return 0;
}
