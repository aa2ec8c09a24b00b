/*
 * Paths that would lead out of a hostile root: each way in which a file's or a process's word becomes a path, over each
 * of them, in a container's root and in a mere chroot. What is opened is the prisoner's own, or nothing is; no file of
 * the host is opened, not even for a moment, and no FIFO or device.
 */
#include "agent/opener/worker.h"
#include "symbolizer/debug_paths.h"
#include "tests/fixtures/lying_fuse.h"
#include "tests/fixtures/prison.h"

#include <sys/socket.h>
#include <sys/un.h>

#define RACE_ROUNDS 1500
#define DEEP_LINKS 45 /* the kernel follows 40 */

static struct prison prison;
static int proc_fd;
static size_t nr_cases;
static bool fuse;

enum expected {
	REFUSED, /* with whatever errno */
	OWN, /* a file of the prisoner's */
	EITHER, /* by the moment, or the kernel */
};

static bool holds(int fd, const char *text)
{
	char found[32] = "";

	return pread(fd, found, sizeof(found) - 1, 0) == (ssize_t)strlen(text) &&
	       !strcmp(found, text);
}

static void clean_up(void)
{
	CHECK_INT(chdir(prison.root), 0);
	umount2("fuse", MNT_DETACH);
	prison_end(&prison);
}

static void check(const char *what, int fd, enum expected expected)
{
	size_t opens = prison_opens(&prison);
	bool own = fd >= 0 && holds(fd, PRISON_INSIDE);

	nr_cases++;
	if (opens || (fd >= 0 && !own) || (expected == OWN && !own) ||
	    (expected == REFUSED && fd >= 0)) {
		fprintf(stderr, "%s: %s, %zu opens of what is watched\n", what,
			fd < 0 ? strerror(-fd)
			: own  ? "opened"
			       : "another file was opened",
			opens);
		clean_up();
		exit(1);
	}
	close_fd(fd);
}

static int request(uint16_t type, const char *path)
{
	struct openwire_request r = { .tgid = (uint32_t)prison.prisoner, .header.type = type };
	_cleanup_(closep) int below = -1;

	if (type == OPENWIRE_ELF_BELOW) {
		below = opener_root(proc_fd, &r);
		CHECK(below >= 0);
		r.tgid = 0;
	}
	CHECK(strlen(path) < sizeof(r.path));
	strcpy(r.path, path);
	return opener_open(proc_fd, below, &r);
}

/* The ways of a path: one of the conventions, one that a file names, the same when its process may have ended. */
static const uint16_t ways[] = { OPENWIRE_IN_ROOT, OPENWIRE_ELF_IN_ROOT, OPENWIRE_ELF_BELOW };

static void try_path(const char *path, enum expected expected)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		check(path, request(ways[i], path), expected);
}

/* Links by what they say, made in the prisoner's root; %s: the host's folder with the secret. */
static const struct {
	const char *name, *target;
	enum expected expected;
} links[] = {
	{ "to-file", "file", OWN },
	{ "to-absolute", "/file", OWN },
	{ "out", "%s/secret", REFUSED },
	{ "out-relative", "../../../../../../..%s/secret", REFUSED },
	{ "out-dots", "/../../..%s/secret", REFUSED },
	{ "out-sub", "sub/../../secret", REFUSED },
	{ "up", "..", REFUSED },
	{ "up-secret", "../secret", REFUSED },
	{ "self-root", "/proc/self/root%s/secret", REFUSED },
	{ "self-cwd", "/proc/self/cwd/file", REFUSED },
	{ "self-exe", "/proc/self/exe", REFUSED },
	{ "thread-root", "/proc/thread-self/root/file", REFUSED },
	{ "one-root", "/proc/1/root%s/secret", REFUSED },
	{ "one-cwd", "/proc/1/cwd", REFUSED },
	{ "one-environ", "/proc/1/environ", REFUSED },
	{ "one-maps", "/proc/1/maps", REFUSED },
	{ "own-mem", "/proc/self/mem", REFUSED },
	{ "kcore", "/proc/kcore", REFUSED },
	{ "kallsyms", "/proc/kallsyms", REFUSED },
	{ "sysrq", "/proc/sysrq-trigger", REFUSED },
	{ "sysctl", "/proc/sys/kernel/hostname", REFUSED },
	{ "sysfs", "/sys/kernel/notes", REFUSED },
	{ "sysfs-id", "/sys/kernel/uevent_seqnum", REFUSED },
	{ "namespace", "/proc/self/ns/mnt", REFUSED },
	{ "fd-3", "/proc/self/fd/3", REFUSED },
	{ "dev-fd", "/dev/fd/3", REFUSED },
	{ "dev-stdin", "/dev/stdin", REFUSED },
	{ "to-fifo", "fifo", REFUSED },
	{ "to-device", "device", REFUSED },
	{ "to-block", "block", REFUSED },
	{ "to-socket", "socket", REFUSED },
	{ "to-folder", "sub", REFUSED },
	{ "to-nothing", "nothing", REFUSED },
	{ "to-itself", "to-itself", REFUSED },
	{ "loop-a", "loop-b", REFUSED },
	{ "loop-b", "sub/../loop-a", REFUSED },
	{ "sub/etc", "/etc", REFUSED },
	{ "slash", "/", REFUSED },
	{ "deep-0", "/file", OWN },
};

static const struct {
	const char *path;
	enum expected expected;
} paths[] = {
	{ "/file", OWN },
	{ "//file", OWN },
	{ "/./sub/.././file", OWN },
	{ "/../../../../file", OWN },
	{ "/sub/../../../../file", OWN },
	{ "/hard", OWN }, /* another name of a file of its own */
	{ "/bound", OWN }, /* mounted from elsewhere */
	{ "/mem/file", OWN },
	{ "/new\nline", OWN },
	{ "/ %s\\;`\"'\033[31m\xff", OWN },
	{ "/../secret", REFUSED },
	{ "/sub/../../secret", REFUSED },
	{ "/%s/secret", REFUSED },
	{ "/../../../..%s/secret", REFUSED },
	{ "/proc/1/root%s/secret", REFUSED },
	{ "/proc/self/root%s/secret", REFUSED },
	{ "/proc/self/root/file", REFUSED },
	{ "/proc/self/exe", REFUSED },
	{ "/proc/self/fd/0", REFUSED },
	{ "/proc/1/environ", REFUSED },
	{ "/proc/1/mem", REFUSED },
	{ "/proc/kmsg", REFUSED },
	{ "/proc/uptime", REFUSED },
	{ "/sys/kernel/notes", REFUSED },
	{ "/up/secret", REFUSED },
	{ "/slash/../secret", REFUSED },
	{ "/slash/file", OWN },
	{ "/sub/etc/shadow", REFUSED },
	{ "/etc/shadow", REFUSED },
	{ "/file/", REFUSED },
	{ "/file/..", REFUSED },
	{ "/file/../file", REFUSED },
	{ "/sub", REFUSED },
	{ "/sub/", REFUSED },
	{ "/", REFUSED },
	{ "/.", REFUSED },
	{ "/..", REFUSED },
	{ "/fifo", REFUSED },
	{ "/device", REFUSED },
	{ "/block", REFUSED },
	{ "/socket", REFUSED },
	{ "/nothing", REFUSED },
	{ "/fuse/device", REFUSED },
	{ "/fuse/link", REFUSED },
	{ "/fuse/turning", EITHER },
	{ "/fuse/turning", EITHER },
	{ "/fuse/folder/../../../secret", REFUSED },
};

/* pattern with the host's folder in it. */
static const char *with_folder(const char *pattern, char text[1024])
{
	const char *mark = strstr(pattern, "%s/secret");

	if (mark)
		snprintf(text, 1024, "%.*s%s%s", (int)(mark - pattern), pattern, prison.folder,
			 mark + 2);
	else
		snprintf(text, 1024, "%s", pattern);
	return text;
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	CHECK(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)));
}

static void make_links(void)
{
	char text[1024], name[32], target[32];

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		CHECK_INT(symlink(with_folder(links[i].target, text), links[i].name), 0);
	for (int i = 1; i < DEEP_LINKS; i++) {
		snprintf(name, sizeof(name), "deep-%d", i);
		snprintf(target, sizeof(target), "/deep-%d", i - 1);
		CHECK_INT(symlink(target, name), 0);
	}
}

static void make_root(void)
{
	static const char *const folders[] = { "sub", "tmp",  "proc", "sys",
					       "mem", "fuse", "race", "race/deep" };
	static char target[128]; /* the server's, too */

	prison_make_folders(&prison);
	CHECK_INT(chdir(prison.root), 0);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		CHECK_INT(mkdir(folders[i], 0777), 0);
	prison_write("file", PRISON_INSIDE);
	prison_write("gone", PRISON_INSIDE);
	prison_write("bound", "");
	prison_write("text", "inside");
	prison_write("new\nline", PRISON_INSIDE);
	prison_write(" %s\\;`\"'\033[31m\xff", PRISON_INSIDE);
	prison_write("race/deep/file", PRISON_INSIDE);
	CHECK_INT(link("file", "hard"), 0);
	CHECK_INT(mkfifo("fifo", 0666), 0);
	CHECK_INT(mknod("device", S_IFCHR | 0666, makedev(1, 5)), 0);
	CHECK_INT(mknod("block", S_IFBLK | 0666, makedev(7, 0)), 0);
	make_socket("socket");
	make_links();
	for (size_t i = 0; i < 3; i++)
		prison_watch(&prison, (const char *const[]) { "fifo", "device", "block" }[i]);
	snprintf(target, sizeof(target), "%s/secret", prison.folder);
	fuse = lying_fuse_start("fuse", target) >= 0;
	if (!fuse)
		printf("no FUSE here: its rows find nothing\n");
}

static void test_links(void)
{
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		snprintf(path, sizeof(path), "/%s", links[i].name);
		try_path(path, links[i].expected);
	}
	snprintf(path, sizeof(path), "/deep-%d", 30);
	try_path(path, OWN);
	snprintf(path, sizeof(path), "/deep-%d", DEEP_LINKS - 1);
	try_path(path, REFUSED);
}

static void test_paths(void)
{
	char text[1024];

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		try_path(with_folder(paths[i].path, text), paths[i].expected);
	if (fuse)
		try_path("/fuse/file", OWN);
	check("/text", request(OPENWIRE_ELF_IN_ROOT, "/text"), REFUSED);
	check("/text", request(OPENWIRE_ELF_BELOW, "/text"), REFUSED);
}

static void test_long_paths(void)
{
	char path[OPENWIRE_PATH_MAX];

	memset(path, 'x', sizeof(path) - 1); /* one component */
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	try_path(path, REFUSED);
	for (size_t i = 0; i + 3 < sizeof(path) - 8; i += 3) /* as far up as it goes */
		memcpy(path + i, "/..", 4);
	strcpy(path + strlen(path), "/secret");
	try_path(path, REFUSED);
	strcpy(path + strlen(path) - 7, "/file");
	try_path(path, OWN);
}

/* What a file says of its debug files, and where its program lies, by the conventions that make paths of it. */
static void test_debug_links(void)
{
	static const char *const names[] = {
		"../secret", "../../secret", "/secret", "..", ".",   "",       "out",
		"one-root",  "fifo",         "device",  "up", "sub", "loop-a", "kcore"
	};
	static const char *const programs[] = { "/program",       "/sub/program",
						"/up/program",    "/slash/program",
						"/../../program", "/proc/1/root/program",
						"/fuse/program",  "relative" };
	char found[DEBUG_PATHS_MAX][DEBUG_PATH_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(programs); j++) {
			struct symbolizer_identity identity = { .build_id_len = 0 };
			size_t nr;

			strcpy(identity.debuglink, names[i]);
			nr = debug_paths(&identity, programs[j], found);
			for (size_t k = 0; k < nr; k++)
				try_path(found[k], REFUSED);
		}
	}
}

static void test_wants(void)
{
	static const char *const names[] = {
		"../secret", "/secret",      "../../../../../../tmp/secret", "one-root", "out",
		"fifo",      "out-relative", "/proc/1/root/secret",          ""
	};
	static const char *const folders[] = { "/", "", "/sub", "/up", "../..", "/proc/1/root" };
	char found[DEBUG_PATHS_MAX][DEBUG_PATH_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(names) * ARRAY_SIZE(folders) * 2; i++) {
		struct symbolizer_want want = {
			.kind = i % 2 ? SYMBOLIZER_SUPPLEMENT_ALT : SYMBOLIZER_SUPPLEMENT_SPLIT,
			.path = names[i / 2 % ARRAY_SIZE(names)],
			.directory = folders[i / 2 / ARRAY_SIZE(names)],
			.id_len = 20,
		};
		size_t nr = debug_paths_of_want(&want, "/sub/program", "/sub/program.debug", found);

		for (size_t k = 0; k < nr; k++)
			try_path(found[k], REFUSED);
	}
}

/* Somebody exchanges what a path leads to while it is looked up. */
static pid_t start_race(const char *a, const char *b, unsigned int flags)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
		if (!flags)
			syscall(SYS_renameat2, AT_FDCWD, b, AT_FDCWD, a, flags);
	}
}

static void race(const char *a, const char *b, unsigned int flags, const char *path)
{
	pid_t pid = start_race(a, b, flags);

	for (int i = 0; i < RACE_ROUNDS; i++)
		check(path, request(ways[i % ARRAY_SIZE(ways)], path), EITHER);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	nr_cases -= RACE_ROUNDS - 1; /* it is one */
}

static void test_races(void)
{
	char text[1024];

	CHECK_INT(symlink(with_folder("%s/secret", text), "race/link"), 0);
	prison_write("race/file", PRISON_INSIDE);
	race("race/file", "race/link", RENAME_EXCHANGE, "/race/file");
	CHECK_INT(symlink("../..", "race/up"), 0);
	race("race/deep", "race/up", RENAME_EXCHANGE, "/race/deep/secret");
	CHECK_INT(symlink("/proc/1/root", "race/magic"), 0);
	race("race/deep", "race/magic", RENAME_EXCHANGE, with_folder("/race/deep/%s/secret", text));
	CHECK_INT(mkfifo("race/fifo", 0666), 0);
	prison_watch(&prison, "race/fifo");
	race("race/file", "race/fifo", RENAME_EXCHANGE, "/race/file");
	/* A folder that leaves the root while ".." is taken from it. */
	race("race/deep", "../deep", 0, "/race/deep/../../secret");
}

static void name_map(char path[128])
{
	snprintf(path, 128, "tmp/perf-%d.map", prison.prisoner);
}

static int request_jit(uint16_t type)
{
	struct openwire_request r = { .tgid = (uint32_t)prison.prisoner, .header.type = type };

	return opener_open(proc_fd, -1, &r);
}

/* target NULL: what the caller has put there. */
static void try_map(const char *target, enum expected expected)
{
	char path[128], text[1024];

	name_map(path);
	if (target)
		CHECK_INT(symlink(with_folder(target, text), path), 0);
	check(target ? target : path, request_jit(OPENWIRE_PERF_MAP), expected);
	CHECK(!unlink(path) || !rmdir(path));
}

static void test_perf_maps(void)
{
	char path[128];

	name_map(path);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) /* no links at all, wherever they lead */
		try_map(links[i].target, REFUSED);
	CHECK_INT(mkfifo(path, 0666), 0);
	prison_watch(&prison, path);
	try_map(NULL, REFUSED);
	CHECK_INT(mknod(path, S_IFCHR | 0666, makedev(1, 5)), 0);
	try_map(NULL, REFUSED);
	CHECK_INT(mkdir(path, 0755), 0);
	try_map(NULL, REFUSED);
	make_socket(path);
	try_map(NULL, REFUSED);
	prison_write(path, PRISON_INSIDE); /* of another user */
	CHECK_INT(chown(path, 12345, 12345), 0);
	try_map(NULL, REFUSED);
	prison_write(path, PRISON_INSIDE);
	CHECK_INT(truncate(path, 1LL << 40), 0);
	try_map(NULL, REFUSED);
	CHECK_INT(link("file", path), 0);
	try_map(NULL, OWN);
	CHECK_INT(rename("tmp", "other-tmp"), 0);
	CHECK_INT(symlink("other-tmp", "tmp"), 0);
	prison_write(path, PRISON_INSIDE);
	try_map(NULL, REFUSED); /* it could lead to another user's folder */
	CHECK_INT(unlink("tmp"), 0);
	CHECK_INT(rename("other-tmp", "tmp"), 0);
}

/* A jitdump is what the process maps, not what lies about. */
static void test_jitdumps(void)
{
	char name[64], text[1024];

	snprintf(name, sizeof(name), "jit-%d.dump", prison.prisoner);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		CHECK_INT(symlink(with_folder(links[i].target, text), name), 0);
		check(links[i].target, request_jit(OPENWIRE_JITDUMP), REFUSED);
		CHECK_INT(unlink(name), 0);
	}
	prison_write(name, PRISON_INSIDE);
	check(name, request_jit(OPENWIRE_JITDUMP), REFUSED);
}

static void test_mappings(void)
{
	for (size_t i = 0; i < PRISON_MAPPINGS; i++) {
		struct openwire_request r = { .tgid = (uint32_t)prison.prisoner,
					      .header.type = OPENWIRE_MAPPING,
					      .start = PRISON_MAPPING + i * 0x10000 };

		r.end = r.start + 4096;
		check("a mapping", opener_open(proc_fd, -1, &r), OWN);
	}
}

static void run_all(bool pivot)
{
	make_root();
	prison_start(&prison, pivot);
	prison_opens(&prison);
	RUN(test_links);
	RUN(test_paths);
	RUN(test_long_paths);
	RUN(test_debug_links);
	RUN(test_wants);
	RUN(test_perf_maps);
	RUN(test_jitdumps);
	RUN(test_mappings);
	RUN(test_races);
	/* The watch does see what it is there for. */
	close_fd(open("../secret", O_RDONLY | O_CLOEXEC));
	CHECK_INT(prison_opens(&prison), 1);
	clean_up();
}

int main(void)
{
	if (getuid())
		SKIP("needs root: it makes roots of its own");
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(proc_fd >= 0);
	run_all(true);
	run_all(false);
	printf("%zu paths, none led to a file of the host\n", nr_cases);
	return 0;
}
