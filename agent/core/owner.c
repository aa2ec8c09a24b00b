/* From a cgroup path to its owner. */
#include "agent/core/owner.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define COMPONENTS_MAX 64
#define ID_HEX 64 /* length of an OCI container id */

struct component {
	const char *text;
	size_t len;
};

/* Names of the form PREFIX<64 hex>, with ".scope" behind it under systemd. */
static const struct {
	const char *prefix, *runtime;
} prefixes[] = {
	{ "docker-", "docker" }, { "cri-containerd-", "containerd" },
	{ "crio-", "crio" },     { "libpod-payload-", "podman" },
	{ "libpod-", "podman" }, { "nerdctl-", "containerd" },
};

/* Services that run containers for the whole host: what lies below them is the host's own. */
static const char *const runtimes[] = {
	"containerd.service",    "docker.service",    "crio.service",
	"podman.service",        "k3s.service",       "k3s-agent.service",
	"k0scontroller.service", "k0sworker.service", "rke2-server.service",
	"rke2-agent.service",    "kubelet.service",   "snap.microk8s.daemon-containerd.service",
};

static bool starts_with(struct component c, const char *prefix)
{
	size_t n = strlen(prefix);

	return c.len >= n && !memcmp(c.text, prefix, n);
}

static bool ends_with(struct component c, const char *suffix)
{
	size_t n = strlen(suffix);

	return c.len >= n && !memcmp(c.text + c.len - n, suffix, n);
}

static bool equals(struct component c, const char *text)
{
	return c.len == strlen(text) && !memcmp(c.text, text, c.len);
}

static bool is_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return false;
	}
	return n > 0;
}

static void set(char *out, size_t size, const char *text, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(out, text, len);
	out[len] = '\0';
}

/* systemd's \x2d and the like. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		unsigned int c;

		if (s[0] == '\\' && s[1] == 'x' && is_hex(s + 2, strnlen(s + 2, 2)) && s[3] &&
		    sscanf(s + 2, "%2x", &c) == 1 && c >= 0x20) {
			*out++ = (char)c;
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static size_t split(const char *path, struct component *components)
{
	size_t nr = 0;

	while (*path && nr < COMPONENTS_MAX) {
		size_t len = strcspn(path, "/");

		/* A reader in a cgroup namespace of its own sees ".."; it says nothing about owners. */
		if (len && !(len == 2 && !memcmp(path, "..", 2)))
			components[nr++] = (struct component) { .text = path, .len = len };
		path += len;
		path += *path == '/';
	}
	return nr;
}

/* pod<uid>, or kubepods-…-pod<uid>.slice with '_' for '-'. Also static pods' 32 hex without dashes. */
static bool pod_uid(struct component c, char *out, size_t size)
{
	const char *uid = c.text, *at;
	size_t len = c.len;

	at = starts_with(c, "kubepods") ? memchr(c.text, ':', c.len) : NULL;
	if (at)
		c.len = len = (size_t)(at - c.text);
	if (ends_with(c, ".slice") && starts_with(c, "kubepods")) {
		len -= strlen(".slice");
		at = memmem(c.text, len, "-pod", 4);
		if (!at)
			return false;
		uid = at + 4;
		len -= (size_t)(uid - c.text);
	} else if (starts_with(c, "pod")) {
		uid += 3;
		len -= 3;
	} else {
		return false;
	}
	if (len != 32 && len != 36)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isxdigit((unsigned char)uid[i]) && uid[i] != '-' && uid[i] != '_')
			return false;
	}
	set(out, size, uid, len);
	for (char *p = out; *p; p++)
		*p = *p == '_' ? '-' : *p;
	return true;
}

struct match {
	const char *runtime, *id;
	size_t id_len;
};

static bool match_prefixed(struct component c, struct match *ret)
{
	if (ends_with(c, ".scope"))
		c.len -= strlen(".scope");
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		size_t n = strlen(prefixes[i].prefix);

		if (!starts_with(c, prefixes[i].prefix) || c.len - n != ID_HEX ||
		    !is_hex(c.text + n, ID_HEX))
			continue;
		*ret = (struct match) { .runtime = prefixes[i].runtime,
					.id = c.text + n,
					.id_len = ID_HEX };
		return true;
	}
	return false;
}

/* PARENT.slice:PREFIX:ID: a runtime without systemd's driver below a kubelet that has it. */
static bool match_colons(struct component c, struct match *ret)
{
	const char *id, *prefix, *end = c.text + c.len;
	size_t prefix_len;

	id = memrchr(c.text, ':', c.len);
	prefix = id ? memrchr(c.text, ':', (size_t)(id - c.text)) : NULL;
	if (!prefix || end - (id + 1) != ID_HEX || !is_hex(id + 1, ID_HEX))
		return false;
	prefix_len = (size_t)(id - (prefix + 1));
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		size_t n = strlen(prefixes[i].prefix) - 1; /* without its dash */

		if (prefix_len != n || memcmp(prefix + 1, prefixes[i].prefix, n))
			continue;
		*ret = (struct match) { .runtime = prefixes[i].runtime,
					.id = id + 1,
					.id_len = ID_HEX };
		return true;
	}
	return false;
}

/* A bare id says its runtime by what stands above it. */
static bool match_bare(const struct component *components, size_t i, struct match *ret)
{
	struct component c = components[i],
			 parent = i ? components[i - 1] : (struct component) { "", 0 };
	char uid[64];

	if (c.len != ID_HEX || !is_hex(c.text, ID_HEX))
		return false;
	if (equals(parent, "libpod_parent")) /* a podman pod: its containers are further in */
		return false;
	ret->id = c.text;
	ret->id_len = c.len;
	if (equals(parent, "docker"))
		ret->runtime = "docker";
	else if (pod_uid(parent, uid, sizeof(uid)) || starts_with(parent, "kubepods"))
		ret->runtime = "containerd";
	else if (i >= 2 && equals(components[0], "ecs")) /* /ecs/TASK/ID, /ecs/CLUSTER/TASK/ID */
		ret->runtime = "ecs";
	else
		ret->runtime = "container";
	return true;
}

/* /ecs/TASK/<32 hex>-<digits> */
static bool match_ecs(const struct component *components, size_t i, struct match *ret)
{
	struct component c = components[i];

	if (i < 2 || !equals(components[i - 2], "ecs") || c.len < 34 || !is_hex(c.text, 32) ||
	    c.text[32] != '-')
		return false;
	for (size_t j = 33; j < c.len; j++) {
		if (!isdigit((unsigned char)c.text[j]))
			return false;
	}
	*ret = (struct match) { .runtime = "ecs", .id = c.text, .id_len = c.len };
	return true;
}

static bool match_named(struct component c, const char *prefix, const char *suffix,
			const char *runtime, struct match *ret)
{
	size_t n = strlen(prefix), m = strlen(suffix);

	if (!starts_with(c, prefix) || !ends_with(c, suffix) || c.len <= n + m)
		return false;
	*ret = (struct match) { .runtime = runtime, .id = c.text + n, .id_len = c.len - n - m };
	return true;
}

/* LXC, Incus, systemd-nspawn, buildkit: the id is a name. */
static bool match_by_name(const struct component *components, size_t i, struct match *ret)
{
	struct component c = components[i],
			 parent = i ? components[i - 1] : (struct component) { "", 0 };

	if (match_named(c, "lxc.payload.", "", "lxc", ret) ||
	    match_named(c, "systemd-nspawn@", ".service", "nspawn", ret))
		return true;
	if (equals(parent, "machine.slice") &&
	    (match_named(c, "machine-qemu\\x2d", ".scope", "qemu", ret) ||
	     match_named(c, "machine-", ".scope", "nspawn", ret)))
		return true;
	if (equals(parent, "lxc") || equals(parent, "lxc.payload"))
		*ret = (struct match) { .runtime = "lxc", .id = c.text, .id_len = c.len };
	else if (equals(parent, "buildkit"))
		*ret = (struct match) { .runtime = "buildkit", .id = c.text, .id_len = c.len };
	else
		return false;
	return true;
}

static bool match(const struct component *components, size_t i, struct match *ret)
{
	return match_prefixed(components[i], ret) || match_colons(components[i], ret) ||
	       match_bare(components, i, ret) || match_ecs(components, i, ret) ||
	       match_by_name(components, i, ret);
}

/* The first service above the container, unless it is a runtime's. */
static void set_within(struct owner_ref *ref, const struct component *components, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct component c = components[i];

		if (!ends_with(c, ".service"))
			continue;
		for (size_t j = 0; j < sizeof(runtimes) / sizeof(*runtimes); j++) {
			if (equals(c, runtimes[j]))
				return;
		}
		if (starts_with(c, "user@"))
			c.len -= strlen(".service");
		set(ref->within, sizeof(ref->within), c.text, c.len);
		ref->pod_uid[0] = '\0'; /* a claim of its own */
		return;
	}
}

static void set_container(struct owner_ref *ref, const struct match *m)
{
	bool hex = m->id_len == ID_HEX && is_hex(m->id, ID_HEX);

	ref->kind = OWNER_CONTAINER;
	set(ref->container_id, sizeof(ref->container_id), m->id, m->id_len);
	set(ref->runtime, sizeof(ref->runtime), m->runtime, strlen(m->runtime));
	/* The short form that people know, until a name is found. */
	set(ref->name, sizeof(ref->name), m->id, hex ? 12 : m->id_len);
	if (!hex)
		unescape(ref->name);
}

static size_t end_of(const char *path, struct component c)
{
	return (size_t)(c.text + c.len - path);
}

static bool find_container(const char *path, const struct component *components, size_t nr,
			   struct owner_ref *ref)
{
	struct match m;

	for (size_t i = 0; i < nr; i++) {
		if (ref->kind != OWNER_CONTAINER)
			pod_uid(components[i], ref->pod_uid, sizeof(ref->pod_uid));
		if (!match(components, i, &m))
			continue;
		if (ref->kind != OWNER_CONTAINER) {
			set_container(ref, &m);
			ref->own_len = end_of(path, components[i]);
			set_within(ref, components, i);
		} else {
			set(ref->nested_id, sizeof(ref->nested_id), m.id, m.id_len);
		}
	}
	if (ref->kind != OWNER_CONTAINER)
		ref->pod_uid[0] = '\0';
	return ref->kind == OWNER_CONTAINER;
}

static bool is_unit(struct component c)
{
	return ends_with(c, ".service") || ends_with(c, ".scope") || ends_with(c, ".socket") ||
	       ends_with(c, ".mount") || ends_with(c, ".swap");
}

/* Units that exist once per login or call are one owner. */
static void set_unit_name(char *out, size_t size, struct component c)
{
	if (starts_with(c, "session-") && ends_with(c, ".scope"))
		set(out, size, "session.scope", 13);
	else if (starts_with(c, "run-") && ends_with(c, ".scope"))
		set(out, size, "run.scope", 9);
	else if (starts_with(c, "run-") && ends_with(c, ".service"))
		set(out, size, "run.service", 11);
	else if (starts_with(c, "libpod-conmon-") && ends_with(c, ".scope"))
		set(out, size, "libpod-conmon.scope", 19);
	else if (starts_with(c, "crio-conmon-") && ends_with(c, ".scope"))
		set(out, size, "crio-conmon.scope", 17);
	else
		set(out, size, c.text, c.len);
	unescape(out);
}

static bool find_unit(const char *path, const struct component *components, size_t nr,
		      struct owner_ref *ref)
{
	char name[OWNER_NAME_MAX], user[32] = "";

	for (size_t i = 0; i < nr; i++) {
		struct component c = components[i];

		if (!is_unit(c))
			continue;
		/* The outermost one: what a user calls so further in is a unit of his. */
		if (!*user && starts_with(c, "user@") && ends_with(c, ".service")) {
			set(user, sizeof(user), c.text, c.len - strlen(".service"));
			ref->own_len = end_of(path, c);
			continue; /* its own units are further in */
		}
		set_unit_name(name, sizeof(name), c);
		ref->kind = OWNER_UNIT;
		ref->own_len = end_of(path, c);
		strcpy(ref->runtime, "systemd");
		snprintf(ref->name, sizeof(ref->name), "%s%s%.200s", user, *user ? "/" : "", name);
		return true;
	}
	if (!*user)
		return false;
	ref->kind = OWNER_UNIT;
	strcpy(ref->runtime, "systemd");
	snprintf(ref->name, sizeof(ref->name), "%s.service", user);
	return true;
}

static void set_path(struct owner_ref *ref, const char *path)
{
	size_t len = strlen(path), half = (sizeof(ref->name) - 4) / 2;

	strcpy(ref->runtime, "cgroup");
	if (len < sizeof(ref->name))
		memcpy(ref->name, path, len + 1);
	else
		snprintf(ref->name, sizeof(ref->name), "%.*s…%s", (int)half, path,
			 path + len - half);
}

void owner_from_cgroup_path(const char *path, struct owner_ref *ret)
{
	struct component components[COMPONENTS_MAX];
	size_t nr = split(path, components);

	*ret = (struct owner_ref) { .kind = OWNER_CGROUP, .own_len = strlen(path) };
	if (!nr) {
		ret->kind = OWNER_HOST;
		strcpy(ret->name, "host");
		strcpy(ret->runtime, "cgroup");
		return;
	}
	if (!find_container(path, components, nr, ret) && !find_unit(path, components, nr, ret))
		set_path(ret, path);
}
