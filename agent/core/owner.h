/*
 * Whose CPU time a cgroup's is: a pure parser from a cgroup path to container, unit or path.
 *
 * The outermost container on the path owns (whoever has a delegated cgroup can name an inner one after a
 * victim); ids further in are nested. What is no container is its systemd unit, else its cgroup path.
 * Paths seen from a private cgroup namespace are relative ("/../<id>"): the prefix is never trusted.
 */
#ifndef FLEETPROF_CORE_OWNER_H
#define FLEETPROF_CORE_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum owner_kind {
	OWNER_HOST, /* the root cgroup */
	OWNER_KERNEL, /* kernel threads; never from a path */
	OWNER_CONTAINER,
	OWNER_UNIT, /* systemd */
	OWNER_CGROUP, /* anything else: the path */
	OWNER_OTHER, /* over the bound of 1,024; never from a path */
};

#define OWNER_ID_MAX 128
#define OWNER_NAME_MAX 256

struct owner_ref {
	enum owner_kind kind;
	char name
		[OWNER_NAME_MAX]; /* unit name, cgroup path (cut in the middle with …), or short container id */
	char runtime[24]; /* docker, containerd, crio, podman, lxc, ecs, systemd, cgroup */
	char container_id[OWNER_ID_MAX]; /* "" if none */
	char pod_uid[64]; /* Kubernetes, dashes normalized; "" if none */
	char nested_id[OWNER_ID_MAX]; /* innermost container further in; "" if none */
	/*
	 * The user manager ("user@1000") or service ("build.service") below which the container lies, "" if it is the
	 * host's own or a container runtime's service. Whoever has that part of the tree may name a cgroup there after
	 * any container: the id alone does not make two of them one.
	 */
	char within[64];
	size_t own_len; /* bytes of the path that name the owner's own cgroup: what is behind lies in it */
};

/* What is said of a container; "" where nothing is. Pointers are the teller's. */
struct owner_names {
	const char *name, *image;
	const char *pod, *namespace, *container; /* Kubernetes' own */
};

/* path: "/…" as kernfs or /proc/PID/cgroup gives it. Never fails: what is unknown is its path. */
void owner_from_cgroup_path(const char *path, struct owner_ref *ret);

#endif
