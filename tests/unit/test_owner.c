/*
 * Cgroup paths and their owners: recorded paths of real runtimes, paths that their documentation gives, and paths that
 * somebody made up to be taken for another.
 */
#include "agent/core/owner.h"
#include "agent/base/cleanup.h"
#include "tests/test.h"

/* 64 hex digits each. */
#define A "873035ffae9c4d5998aa5929b031a42d8b3c812a42b8befd061a5c617ea7e246"
#define B "d62ae972439ebb70c3105c4030e43e532482b5634b506ba543160e00b76aec53"
#define C "de1e77d9552e523cb8ee1c31585fdd3f2b9c0e514df15ed25d01e7e26b2a853a"
#define POD "7c1b5ea7-c7c4-4971-ae4b-7057abd08e28"
#define POD_ "7c1b5ea7_c7c4_4971_ae4b_7057abd08e28"

struct row {
	const char *path;
	enum owner_kind kind;
	const char *runtime, *name, *id, *pod, *nested, *within;
};

#define CONTAINER(path, runtime, name, id, ...)                                                    \
	{                                                                                          \
		path, OWNER_CONTAINER, runtime, name, id, __VA_ARGS__                              \
	}
#define UNIT(path, name)                                                                           \
	{                                                                                          \
		path, OWNER_UNIT, "systemd", name                                                  \
	}
#define CGROUP(path)                                                                               \
	{                                                                                          \
		path, OWNER_CGROUP, "cgroup", path                                                 \
	}
#define HOST(path)                                                                                 \
	{                                                                                          \
		path, OWNER_HOST, "cgroup", "host"                                                 \
	}

/* Seen on real machines, as they were. */
static const struct row recorded[] = {
	/* Docker: cgroupfs driver on hybrid and v2; systemd driver; a slice of the user's choice */
	CONTAINER("/docker/" A, "docker", "873035ffae9c", A),
	CONTAINER("/docker/" B, "docker", "d62ae972439e", B),
	CONTAINER("/system.slice/docker-" C ".scope", "docker", "de1e77d9552e", C),
	CONTAINER("/shop.slice/docker-" A ".scope", "docker", "873035ffae9c", A),
	/* podman, rootful: runc with cgroupfs, pods, conmon; systemd */
	CONTAINER("/libpod_parent/libpod-" A, "podman", "873035ffae9c", A),
	CONTAINER("/libpod_parent/" B "/libpod-" A, "podman", "873035ffae9c", A),
	CGROUP("/libpod_parent/" B "/conmon"),
	CONTAINER("/machine.slice/libpod-" A ".scope", "podman", "873035ffae9c", A),
	CONTAINER("/machine.slice/machine-libpod_pod_" B ".slice/libpod-" A ".scope", "podman",
		  "873035ffae9c", A),
	/* Kubernetes, containerd with cgroupfs: guaranteed, burstable, best effort with a static pod's hash */
	CONTAINER("/kubepods/pod" POD "/" A, "containerd", "873035ffae9c", A, POD),
	CONTAINER("/kubepods/burstable/pod" POD "/" A, "containerd", "873035ffae9c", A, POD),
	CONTAINER("/kubepods/besteffort/podacf55aedba60a0dd3150ab2fc0bb8aed/" A, "containerd",
		  "873035ffae9c", A, "acf55aedba60a0dd3150ab2fc0bb8aed"),
	/* systemd: units, own slices, transient ones, a user's */
	UNIT("/system.slice/fptest.service", "fptest.service"),
	UNIT("/shop.slice/fp-svc.service", "fp-svc.service"),
	UNIT("/system.slice/fp-scope.scope", "fp-scope.scope"),
	UNIT("/init.scope", "init.scope"),
	UNIT("/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000/init.scope"),
	UNIT("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
	     "user@1000/web.service"),
	/* seen from a private cgroup namespace: relative, and the prefix says nothing */
	CONTAINER("/../" A, "container", "873035ffae9c", A),
	HOST("/../.."),
	HOST("/"),
};

/* As the runtimes' sources and documentation give them. */
static const struct row documented[] = {
	/* Kubernetes with the systemd driver, three classes, two runtimes; the mixed form with colons */
	CONTAINER("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
		  ".slice/cri-containerd-" A ".scope",
		  "containerd", "873035ffae9c", A, POD),
	CONTAINER("/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" A ".scope", "crio",
		  "873035ffae9c", A, POD),
	CONTAINER("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod"
		  "acf55aedba60a0dd3150ab2fc0bb8aed.slice/crio-" A ".scope/container",
		  "crio", "873035ffae9c", A, "acf55aedba60a0dd3150ab2fc0bb8aed"),
	CONTAINER("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
		  ".slice/docker-" A ".scope",
		  "docker", "873035ffae9c", A, POD),
	CONTAINER("/kubepods/besteffort/pod" POD "/crio-" A, "crio", "873035ffae9c", A, POD),
	CONTAINER("/system.slice/containerd.service/kubepods-burstable-pod" POD_
		  ".slice:cri-containerd:" A,
		  "containerd", "873035ffae9c", A, POD),
	UNIT("/machine.slice/libpod-conmon-" A ".scope", "libpod-conmon.scope"),
	UNIT("/system.slice/crio-conmon-" A ".scope", "crio-conmon.scope"),
	/* rootless podman and Docker; podman inside a unit's own cgroup; nerdctl */
	CONTAINER("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" A ".scope",
		  "podman", "873035ffae9c", A, "", "", "user@1000"),
	CONTAINER("/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_" B
		  ".slice/libpod-" A ".scope/container",
		  "podman", "873035ffae9c", A, "", "", "user@1000"),
	CONTAINER("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" A ".scope",
		  "docker", "873035ffae9c", A, "", "", "user@1000"),
	CONTAINER("/system.slice/web.service/libpod-payload-" A, "podman", "873035ffae9c", A, "",
		  "", "web.service"),
	CONTAINER("/system.slice/nerdctl-" A ".scope", "containerd", "873035ffae9c", A),
	/* LXC, Incus, Proxmox; machines of systemd-nspawn and libvirt */
	CONTAINER("/lxc.payload.web1", "lxc", "web1", "web1"),
	CONTAINER("/lxc.payload.web1/system.slice/nginx.service", "lxc", "web1", "web1"),
	CONTAINER("/lxc/101/ns/init.scope", "lxc", "101", "101"),
	CONTAINER("/lxc.payload/web1/init.scope", "lxc", "web1", "web1"),
	CONTAINER("/machine.slice/systemd-nspawn@deb.service/payload/init.scope", "nspawn", "deb",
		  "deb"),
	CONTAINER("/machine.slice/machine-my\\x2dbox.scope", "nspawn", "my-box", "my\\x2dbox"),
	CONTAINER("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator", "qemu", "1-vm",
		  "1\\x2dvm"),
	/* ECS: tasks on EC2, with a cluster's name, on Fargate, with the systemd driver */
	CONTAINER("/ecs/0123456789abcdef0123456789abcdef/" A, "ecs", "873035ffae9c", A),
	CONTAINER("/ecs/prod/0123456789abcdef0123456789abcdef/" A, "ecs", "873035ffae9c", A),
	CONTAINER("/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-1234567",
		  "ecs", "0123456789abcdef0123456789abcdef-1234567",
		  "0123456789abcdef0123456789abcdef-1234567"),
	CONTAINER("/ecstasks.slice/ecstasks-0123456789abcdef0123456789abcdef.slice/docker-" A
		  ".scope",
		  "docker", "873035ffae9c", A),
	/* CI runners and builders */
	CONTAINER("/actions_job/" A, "container", "873035ffae9c", A),
	CONTAINER("/system.slice/docker.service/buildkit/x1y2z3", "buildkit", "x1y2z3", "x1y2z3"),
	/* sessions and transient units are one owner each, whatever their number */
	UNIT("/user.slice/user-1000.slice/session-3.scope", "session.scope"),
	UNIT("/user.slice/user-0.slice/session-c12.scope", "session.scope"),
	UNIT("/system.slice/run-rb0c3fd8a.scope", "run.scope"),
	UNIT("/system.slice/run-u42.service", "run.service"),
	UNIT("/user.slice/user-1000.slice/user@1000.service/app.slice/run-r77.scope",
	     "user@1000/run.scope"),
	UNIT("/user.slice/user-1000.slice/user@1000.service", "user@1000.service"),
	UNIT("/user.slice/user-1000.slice/user@1000.service/app.slice", "user@1000.service"),
	/* names with systemd's escapes, other kinds of units, a service that has cgroups of its own */
	UNIT("/system.slice/dev-disk\\x2droot.swap", "dev-disk-root.swap"),
	UNIT("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
	UNIT("/system.slice/ssh.socket", "ssh.socket"),
	UNIT("/system.slice/home.mount", "home.mount"),
	UNIT("/system.slice/nginx.service/worker/3", "nginx.service"),
};

/* Docker in Docker, kind, and the like: the outermost owns, the innermost is a label. */
static const struct row nested[] = {
	CONTAINER("/docker/" A "/docker/" B, "docker", "873035ffae9c", A, "", B),
	CONTAINER("/docker/" A "/kubelet/kubepods/burstable/pod" POD "/" B, "docker",
		  "873035ffae9c", A, "", B),
	CONTAINER("/system.slice/docker-" A ".scope/kubelet.slice/kubelet-kubepods.slice/"
		  "kubelet-kubepods-pod" POD_ ".slice/cri-containerd-" B ".scope",
		  "docker", "873035ffae9c", A, "", B),
	CONTAINER("/docker/" A "/docker/" B "/docker/" C, "docker", "873035ffae9c", A, "", C),
	CONTAINER("/kubepods/besteffort/pod" POD "/" A "/docker/" B, "containerd", "873035ffae9c",
		  A, POD, B),
	CONTAINER("/lxc.payload.web1/docker/" A, "lxc", "web1", "web1", "", A),
	CONTAINER("/lxc.payload.web1/system.slice/docker.service/docker/" A, "lxc", "web1", "web1",
		  "", A),
	CONTAINER("/machine.slice/libpod-" A ".scope/container/libpod_parent/libpod-" B, "podman",
		  "873035ffae9c", A, "", B),
};

/* Nearly an id, or an id where somebody else than a runtime may put it. */
static const struct row hostile[] = {
	CGROUP("/docker"), CGROUP("/kubepods"), CGROUP("/kubepods/burstable/pod" POD),
	CGROUP("/docker/short"), CGROUP("/docker/" A "0"), /* 65 digits */
	CGROUP("/docker/g73035ffae9c4d5998aa5929b031a42d8b3c812a42b8befd061a5c617ea7e246"),
	UNIT("/system.slice/docker-" A "x.scope", "docker-" A "x.scope"),
	UNIT("/system.slice/docker-.scope", "docker-.scope"),
	CGROUP("/libpod_parent/" A), /* a pod, not a container */
	CGROUP("/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-12x"),
	CGROUP("/lxc.payload."), CGROUP("/a:b:c"), CGROUP("/x.slice:cri-containerd:"),
	CGROUP("/x.slice:unknown:" A), CGROUP("/my.slice"), UNIT("/.service", ".service"),
	/* a user or a service that calls its own cgroup after a victim's container stays apart from it */
	CONTAINER("/user.slice/user-1000.slice/user@1000.service/docker/" A, "docker",
		  "873035ffae9c", A, "", "", "user@1000"),
	CONTAINER("/user.slice/user-1000.slice/user@1000.service/kubepods/pod" POD "/" A,
		  "containerd", "873035ffae9c", A, "", "", "user@1000"),
	CONTAINER("/system.slice/evil.service/docker-" A ".scope", "docker", "873035ffae9c", A, "",
		  "", "evil.service"),
	CONTAINER("/system.slice/evil.service/docker.service/docker/" A, "docker", "873035ffae9c",
		  A, "", "", "evil.service"),
	/* … and one that he calls another user's */
	UNIT("/user.slice/user-7.slice/user@7.service/user.slice/user@1000.service/web.service",
	     "user@7/user@1000.service"),
	/* a container's owner who calls an inner cgroup after a victim's container */
	CONTAINER("/docker/" A "/system.slice/docker-" B ".scope", "docker", "873035ffae9c", A, "",
		  B),
	/* slashes and dots in odd places */
	HOST(""), HOST("///"), HOST("/../../.."),
	CONTAINER("//docker//" A "//", "docker", "873035ffae9c", A),
	CONTAINER("/../../docker/" A, "docker", "873035ffae9c", A), CGROUP("/..."),
	CGROUP("/system.slice/\\x"), UNIT("/system.slice/a\\x2.service", "a\\x2.service"),
	UNIT("/system.slice/a\\x1b[31m.service",
	     "a\\x1b[31m.service"), /* no control bytes by escape */
};

static void check_row(const struct row *row)
{
	struct owner_ref ref;

	memset(&ref, 0xff, sizeof(ref));
	owner_from_cgroup_path(row->path, &ref);
	fprintf(stderr, "    %s\n", row->path);
	CHECK_INT(ref.kind, row->kind);
	CHECK_STR(ref.runtime, row->runtime);
	CHECK_STR(ref.name, row->name);
	CHECK_STR(ref.container_id, row->id ? row->id : "");
	CHECK_STR(ref.pod_uid, row->pod ? row->pod : "");
	CHECK_STR(ref.nested_id, row->nested ? row->nested : "");
	CHECK_STR(ref.within, row->within ? row->within : "");
}

static void test_recorded(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++)
		check_row(&recorded[i]);
}

static void test_documented(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(documented); i++)
		check_row(&documented[i]);
}

static void test_nested(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(nested); i++)
		check_row(&nested[i]);
}

static void test_hostile(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		check_row(&hostile[i]);
}

/* Whatever it is, the answer is whole: terminated, of a known kind, with a name. */
static void check_whole(const char *path)
{
	struct owner_ref ref;

	memset(&ref, 0xff, sizeof(ref));
	owner_from_cgroup_path(path, &ref);
	CHECK(ref.kind == OWNER_HOST || ref.kind == OWNER_CONTAINER || ref.kind == OWNER_UNIT ||
	      ref.kind == OWNER_CGROUP);
	CHECK(ref.name[0] && memchr(ref.name, '\0', sizeof(ref.name)));
	CHECK(ref.runtime[0] && memchr(ref.runtime, '\0', sizeof(ref.runtime)));
	CHECK(memchr(ref.container_id, '\0', sizeof(ref.container_id)));
	CHECK(memchr(ref.nested_id, '\0', sizeof(ref.nested_id)));
	CHECK(memchr(ref.within, '\0', sizeof(ref.within)));
	CHECK((ref.kind == OWNER_CONTAINER) == (ref.container_id[0] != '\0'));
}

static void test_long_and_deep_paths(void)
{
	static char path[70000];
	struct owner_ref ref;

	memset(path, 'x', 5000); /* one long component */
	path[0] = '/';
	check_whole(path);
	owner_from_cgroup_path(path, &ref);
	CHECK_INT(ref.kind, OWNER_CGROUP);
	CHECK(strlen(ref.name) > 200 &&
	      strstr(ref.name, "…")); /* cut in the middle, and seen to be */

	memcpy(path, "/lxc.payload.", 13);
	check_whole(path);
	memcpy(path, "/system.slice/", 14);
	strcpy(path + 5000, ".service");
	check_whole(path);
	owner_from_cgroup_path(path, &ref);
	CHECK_INT(ref.kind, OWNER_UNIT);

	for (size_t i = 0; i + 1 < sizeof(path); i += 2) /* thousands of levels */
		memcpy(path + i, "/a", 2);
	path[sizeof(path) - 1] = '\0';
	check_whole(path);
	for (size_t i = 0; i + 3 < sizeof(path); i += 3)
		memcpy(path + i, "/..", 3);
	check_whole(path);
}

/* Every prefix of every path, and every path with one byte changed. */
static void test_mangled_paths(void)
{
	static const struct {
		const struct row *rows;
		size_t nr;
	} tables[] = {
		{ recorded, ARRAY_SIZE(recorded) },
		{ documented, ARRAY_SIZE(documented) },
		{ nested, ARRAY_SIZE(nested) },
		{ hostile, ARRAY_SIZE(hostile) },
	};
	static const char bytes[] = "/.:-\\x_@ \x01\x80\xff";
	char path[512];

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (size_t i = 0; i < tables[t].nr; i++) {
			size_t len = strlen(tables[t].rows[i].path);

			CHECK(len < sizeof(path));
			for (size_t n = 0; n <= len; n++) {
				strcpy(path, tables[t].rows[i].path);
				for (size_t b = 0; n < len && b < sizeof(bytes) - 1; b++) {
					path[n] = bytes[b];
					check_whole(path);
				}
				path[n] = '\0';
				check_whole(path);
			}
		}
	}
}

int main(void)
{
	RUN(test_recorded);
	RUN(test_documented);
	RUN(test_nested);
	RUN(test_hostile);
	RUN(test_long_and_deep_paths);
	RUN(test_mangled_paths);
	return 0;
}
