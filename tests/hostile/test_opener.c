/*
 * The opener before a hostile file system: the path of a request is resolved inside its process's root whatever links
 * say, and nothing but regular files is opened.
 */
#include "agent/base/cleanup.h"
#include "agent/base/clock.h"
#include "agent/base/sys.h"
#include "agent/opener/worker.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

static char root[] = "/tmp/fleetprof-opener-XXXXXX";
#define ANY 1 /* by the kernel's version, -EACCES or -ELOOP */

static pid_t prisoner; /* a process whose root that folder is */
static int proc_fd;

static void write_file(const char *path, const char *text)
{
	_cleanup_(closep) int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && !sys_write_all(fd, text, strlen(text)));
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	CHECK(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)));
}

/* The hostile root, with the outside's secret beside it. */
static void make_root(void)
{
	CHECK(mkdtemp(root));
	CHECK_INT(chdir(root), 0);
	write_file("../fleetprof-opener-secret", "outside");
	write_file("file", "inside");
	write_file("elf", "\177ELF and more");
	write_file("empty", "");
	CHECK_INT(symlink("/elf", "to-elf"), 0);
	CHECK_INT(mkdir("sub", 0755), 0);
	CHECK_INT(mkdir("tmp", 0755), 0);
	CHECK_INT(mkdir("proc", 0755), 0);
	write_file("tmp/fleetprof-opener-secret", "inside");
	CHECK_INT(symlink("file", "link"), 0);
	CHECK_INT(symlink("/tmp/fleetprof-opener-secret", "absolute"), 0);
	CHECK_INT(symlink("../../../../tmp/fleetprof-opener-secret", "sub/relative"), 0);
	CHECK_INT(symlink("/proc/self/root/tmp/fleetprof-opener-secret", "magic"), 0);
	CHECK_INT(symlink("/proc/1/root", "magic-folder"), 0);
	CHECK_INT(symlink("loop-b", "loop-a"), 0);
	CHECK_INT(symlink("loop-a", "loop-b"), 0);
	CHECK_INT(symlink("/fifo", "to-fifo"), 0);
	CHECK_INT(mkfifo("fifo", 0666), 0);
	CHECK_INT(mknod("device", S_IFCHR | 0666, makedev(1, 5)), 0);
	make_socket("socket");
	CHECK_INT(chdir("/"), 0);
}

static void start_prisoner(void)
{
	int pipes[2];
	char byte;

	CHECK_INT(pipe(pipes), 0);
	prisoner = fork();
	CHECK(prisoner >= 0);
	if (!prisoner) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHECK_INT(unshare(CLONE_NEWNS), 0);
		CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
		CHECK_INT(chdir(root), 0);
		CHECK_INT(mount("proc", "proc", "proc", 0, NULL), 0);
		CHECK_INT(chroot("."), 0);
		CHECK_INT(write(pipes[1], "x", 1), 1);
		for (;;)
			pause();
	}
	CHECK_INT(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
}

/* Of the prisoner; with ELF_BELOW its root folder comes along, as if it were gone. */
static int request(uint16_t type, const char *path)
{
	struct openwire_request r = { .tgid = (uint32_t)prisoner };
	_cleanup_(closep) int root_fd = opener_root(proc_fd, &r);

	CHECK(root_fd >= 0);
	if (type == OPENWIRE_ELF_BELOW)
		r.tgid = 0;
	r.header.type = type;
	snprintf(r.path, sizeof(r.path), "%s", path);
	return opener_open(proc_fd, type == OPENWIRE_ELF_BELOW ? root_fd : -1, &r);
}

/* The path's file, which must be inside. */
static void check_inside(const char *path)
{
	_cleanup_(closep) int fd = request(OPENWIRE_IN_ROOT, path);
	char text[16] = "";

	if (fd < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-fd));
	CHECK(fd >= 0);
	CHECK_INT(read(fd, text, sizeof(text)), 6);
	CHECK_STR(text, "inside");
	CHECK_INT(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void test_links_stay_inside(void)
{
	check_inside("/file");
	check_inside("/link");
	check_inside("/absolute");
	check_inside("/sub/relative");
	check_inside("/../../../../tmp/fleetprof-opener-secret");
	check_inside("/sub/../../../file");
	check_inside("//file");
}

static void test_refused(void)
{
	static const struct {
		const char *path;
		int error;
	} cases[] = {
		{ "/magic", -ELOOP },          { "/magic-folder/etc/passwd", ANY },
		{ "/proc/self/exe", -ELOOP },  { "/proc/self/root/file", -ELOOP },
		{ "/proc/self/fd/0", -ELOOP }, { "/loop-a", -ELOOP },
		{ "/fifo", -EINVAL },          { "/to-fifo", -EINVAL },
		{ "/device", -EINVAL },        { "/socket", -EINVAL },
		{ "/sub", -EINVAL },           { "/", -EINVAL },
		{ "/none", -ENOENT },          { "/file/below", -ENOTDIR },
		{ "/etc/shadow", -ENOENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(closep) int fd = request(OPENWIRE_IN_ROOT, cases[i].path);

		if (fd != cases[i].error && cases[i].error != ANY)
			fprintf(stderr, "%s: %d\n", cases[i].path, fd);
		CHECK(fd == cases[i].error || (fd < 0 && cases[i].error == ANY));
	}
}

/* Of what hostile files name, only what may be theirs. */
static void test_elf_only(void)
{
	static const uint16_t types[] = { OPENWIRE_ELF_IN_ROOT, OPENWIRE_ELF_BELOW };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		_cleanup_(closep) int fd = request(types[i], "/elf");
		_cleanup_(closep) int linked = request(types[i], "/../to-elf");

		CHECK(fd >= 0 && linked >= 0);
		CHECK_INT(request(types[i], "/file"), -ENOEXEC);
		CHECK_INT(request(types[i], "/absolute"), -ENOEXEC);
		CHECK_INT(request(types[i], "/empty"), -ENOEXEC);
		CHECK_INT(request(types[i], "/magic"), -ELOOP);
		CHECK_INT(request(types[i], "/proc/self/exe"), -ELOOP);
		CHECK_INT(request(types[i], "/bin/sh"), -ENOENT);
		CHECK_INT(request(types[i], "/to-fifo"), -EINVAL);
		CHECK_INT(request(types[i], "/device"), -EINVAL);
	}
}

static void test_long_paths(void)
{
	char path[OPENWIRE_PATH_MAX];
	int fd;

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	fd = request(OPENWIRE_IN_ROOT, path);
	CHECK_INT(fd, -ENAMETOOLONG);
}

static void test_processes(void)
{
	struct openwire_request r = { .tgid = (uint32_t)prisoner, .start_boot_ns = 1 };
	_cleanup_(closep) int fd = -1;

	/* Another process of that id. */
	r.header.type = OPENWIRE_IN_ROOT;
	snprintf(r.path, sizeof(r.path), "/file");
	CHECK_INT(opener_open(proc_fd, -1, &r), -ESRCH);
	/* None at all. */
	r = (struct openwire_request) { .tgid = INT32_MAX, .header.type = OPENWIRE_MAPPING };
	r.end = 4096;
	CHECK(opener_open(proc_fd, -1, &r) < 0);
	/* A mapping that is not there falls back to the program, which is a regular file. */
	r = (struct openwire_request) { .tgid = (uint32_t)prisoner,
					.header.type = OPENWIRE_MAPPING };
	r.start = 4096;
	r.end = 8192;
	fd = opener_open(proc_fd, -1, &r);
	CHECK(fd >= 0);
}

static int ask_for_dump(void)
{
	struct openwire_request r = { .tgid = (uint32_t)getpid() };

	r.header.type = OPENWIRE_JITDUMP;
	return opener_open(proc_fd, -1, &r);
}

/* A jitdump is this process's if it is mapped executable, called after its pid, and says so or nothing in its header. */
static void test_jitdumps(void)
{
	uint32_t header[10] = { 0x4a695444, 1, sizeof(header), 62, 0, (uint32_t)getpid() };
	char path[64];
	int file, fd;
	void *marker;

	snprintf(path, sizeof(path), "/tmp/jit-%d.dump", (int)getpid());
	CHECK_INT(ask_for_dump(), -ENOENT);
	file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	CHECK(file >= 0);
	CHECK_INT(ask_for_dump(), -ENOENT);
	marker = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	CHECK(marker != MAP_FAILED);
	CHECK_INT(ask_for_dump(), -ENOENT);
	CHECK_INT(mprotect(marker, 4096, PROT_READ | PROT_EXEC), 0);
	for (int written = 0; written < 2; written++) {
		fd = ask_for_dump();
		CHECK(fd >= 0);
		CHECK_INT(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		close(fd);
		CHECK_INT(pwrite(file, header, sizeof(header), 0), sizeof(header));
	}
	header[5]++;
	CHECK_INT(pwrite(file, header, sizeof(header), 0), sizeof(header));
	CHECK_INT(ask_for_dump(), -EPERM);
	header[5]--;
	header[0]++;
	CHECK_INT(pwrite(file, header, sizeof(header), 0), sizeof(header));
	CHECK_INT(ask_for_dump(), -EPERM);
	header[0]--;
	CHECK_INT(pwrite(file, header, sizeof(header), 0), sizeof(header));
	CHECK_INT(fchown(file, 12345, 12345), 0);
	CHECK_INT(ask_for_dump(), -EPERM);
	CHECK_INT(fchown(file, 0, 0), 0);
	CHECK_INT(ftruncate(file, (1LL << 30) + 1), 0);
	CHECK_INT(ask_for_dump(), -EFBIG);
	CHECK_INT(ftruncate(file, sizeof(header)), 0);
	CHECK_INT(unlink(path), 0);
	fd = ask_for_dump();
	CHECK(fd >= 0);
	close(fd);
	close(file);
	CHECK_INT(munmap(marker, 4096), 0);
	CHECK_INT(ask_for_dump(), -ENOENT);
}

static int ask_at(int folder, uint32_t pid, uint32_t uid, uint64_t start_boot_ns)
{
	struct openwire_request r = { .start = pid, .end = uid, .start_boot_ns = start_boot_ns };

	r.header.type = OPENWIRE_MAP_AT;
	return opener_open(proc_fd, folder, &r);
}

static void check_opened(int fd)
{
	CHECK(fd >= 0);
	close(fd);
}

/* The map of a process that is gone: where it said that it would be, of its user, no link, and not older than it. */
static void test_maps_of_the_dead(void)
{
	struct openwire_request r = { .tgid = (uint32_t)prisoner,
				      .header.type = OPENWIRE_MAP_PLACE };
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	uint64_t now = clock_boot_ns();
	struct openwire_answer a = { .result = 0 };
	_cleanup_(closep) int folder = opener_map_place(proc_fd, &r, &a);
	int fd;

	CHECK(folder >= 0);
	CHECK_INT(a.pid, (uint32_t)prisoner);
	CHECK_INT(a.uid, 0);
	CHECK_INT(ask_at(folder, 4711, 0, now), -ENOENT);
	fd = openat(folder, "perf-4711.map", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	check_opened(ask_at(folder, 4711, 0, now));
	CHECK_INT(fchown(fd, 12345, 12345), 0);
	CHECK_INT(ask_at(folder, 4711, 0, now), -EPERM);
	check_opened(ask_at(folder, 4711, 12345, now));
	CHECK_INT(futimens(fd, old), 0);
	CHECK_INT(ask_at(folder, 4711, 12345, now), -ENOENT);
	check_opened(ask_at(folder, 4711, 12345, 0));
	CHECK_INT(unlinkat(folder, "perf-4711.map", 0), 0);
	CHECK_INT(symlinkat("/etc/passwd", folder, "perf-4711.map"), 0);
	CHECK(ask_at(folder, 4711, 0, now) < 0);
	CHECK_INT(unlinkat(folder, "perf-4711.map", 0), 0);
	CHECK_INT(mkfifoat(folder, "perf-4711.map", 0666), 0);
	CHECK_INT(ask_at(folder, 4711, 0, now), -EINVAL);
	close(fd);
}

/* What a request may say at all. */
static void test_requests(void)
{
	struct openwire_request r = { .tgid = 1 };

	r.header = wire_header(OPENWIRE_PROC, 1, sizeof(r) - sizeof(r.header));
	snprintf(r.path, sizeof(r.path), "mountinfo");
	CHECK(openwire_check_request(&r, sizeof(r)));
	CHECK(!openwire_check_request(&r, sizeof(r) - 1));
	for (const char *const *name =
		     (const char *const[]) { "mem", "environ", "root/etc/shadow", "../1/environ",
					     "cmdline", "", NULL };
	     *name; name++) {
		snprintf(r.path, sizeof(r.path), "%s", *name);
		CHECK(!openwire_check_request(&r, sizeof(r)));
	}
	memset(r.path, '/', sizeof(r.path));
	r.header.type = OPENWIRE_IN_ROOT;
	CHECK(!openwire_check_request(&r, sizeof(r)));
	snprintf(r.path, sizeof(r.path), "relative");
	CHECK(!openwire_check_request(&r, sizeof(r)));
	snprintf(r.path, sizeof(r.path), "/x");
	r.tgid = 0;
	CHECK(!openwire_check_request(&r, sizeof(r)));
}

static void clean_up(void)
{
	char command[128];

	kill(prisoner, SIGKILL);
	waitpid(prisoner, NULL, 0);
	snprintf(command, sizeof(command), "rm -rf --one-file-system %s", root);
	CHECK_INT(system(command), 0);
	unlink("/tmp/fleetprof-opener-secret");
}

int main(void)
{
	RUN(test_requests);
	if (getuid())
		SKIP("the rest needs root: it makes a root of its own");
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(proc_fd >= 0);
	make_root();
	start_prisoner();
	RUN(test_links_stay_inside);
	RUN(test_refused);
	RUN(test_elf_only);
	RUN(test_long_paths);
	RUN(test_processes);
	RUN(test_jitdumps);
	RUN(test_maps_of_the_dead);
	clean_up();
	return 0;
}
