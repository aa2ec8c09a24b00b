/* The exporter's sandbox: what an intruder would try is refused or ends the process; what the exporter does still works. */
#include "agent/base/clock.h"
#include "agent/exporter/sandbox.h"
#include "agent/exporter/store.h"
#include "tests/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ENDED (SIGSYS + 128) /* the sandbox's own exit status */
#define WORKED 100
#define OTHER 101 /* failed, but not by the sandbox's errno */

static char dir[] = "/tmp/fp-sandbox-XXXXXX";
static uint16_t open_port, closed_port; /* both listen; one may be connected to */

static int refused(long r)
{
	if (r >= 0)
		return WORKED;
	return errno == EPERM || errno == EACCES || errno == ENOSYS ? 0 : OTHER;
}

static int try_execve(void)
{
	char *const argv[] = { "true", NULL };

	return refused(execv("/bin/true", argv));
}

static int try_fork(void)
{
	return refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static int try_vfork(void)
{
	return refused(syscall(SYS_fork));
}

static int try_ptrace(void)
{
	return refused(ptrace(PTRACE_TRACEME, 0, 0, 0));
}

static int try_vm_readv(void)
{
	return refused(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int try_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY };

	return refused(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int try_perf(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr) };

	return refused(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int try_mount(void)
{
	return refused(mount("none", dir, "tmpfs", 0, NULL));
}

static int try_unshare(void)
{
	return refused(unshare(CLONE_NEWUSER));
}

static int try_chroot(void)
{
	return refused(chroot("/"));
}

static int try_setuid(void)
{
	return refused(syscall(SYS_setuid, 0));
}

static int try_capset(void)
{
	return refused(syscall(SYS_capset, NULL, NULL));
}

static int try_module(void)
{
	return refused(syscall(SYS_finit_module, -1, "", 0));
}

static int try_keyctl(void)
{
	return refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int try_userfaultfd(void)
{
	return refused(syscall(SYS_userfaultfd, 0));
}

static int try_io_uring(void)
{
	return refused(syscall(SYS_io_uring_setup, 1, NULL));
}

static int try_kill(void)
{
	return refused(kill(getppid(), 0));
}

static int try_tgkill(void)
{
	return refused(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int try_mknod(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/device", dir);
	return refused(mknod(path, S_IFCHR | 0600, 0));
}

static int try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return refused(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int try_dumpable(void)
{
	return refused(prctl(PR_SET_DUMPABLE, 1));
}

static int try_raw_socket(void)
{
	return refused(socket(AF_PACKET, SOCK_RAW, 0));
}

static int try_vsock(void)
{
	return refused(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int try_shadow(void)
{
	return refused(open("/etc/shadow", O_RDONLY));
}

static int try_passwd(void)
{
	return refused(open("/etc/passwd", O_RDONLY)); /* everybody may read it, we may not */
}

static int try_proc(void)
{
	return refused(open("/proc/1/cmdline", O_RDONLY));
}

static int try_write_elsewhere(void)
{
	return refused(open("/tmp/fp-sandbox-escaped", O_WRONLY | O_CREAT, 0600));
}

static int try_write_hosts(void)
{
	return refused(open("/etc/hosts", O_WRONLY));
}

static int try_unlink_elsewhere(void)
{
	return refused(unlink("/tmp"));
}

static int try_link_out(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	return refused(rename(path, "/var/tmp/fp-sandbox-escaped"));
}

static int dial(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&a, sizeof(a));

	return r;
}

static int try_connect(void)
{
	return refused(dial(closed_port));
}

static int try_listen(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(closed_port + 1) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return refused(bind(fd, (struct sockaddr *)&a, sizeof(a)));
}

/* As the exporter would, with nothing but a direct call. */
static const struct attempt {
	const char *name;
	int (*fn)(void);
	int expected; /* 0: refused with an errno; ENDED */
	int abi; /* of Landlock that it takes */
} attempts[] = {
	{ "execve", try_execve, ENDED },
	{ "clone of a process", try_fork, 0 },
	{ "fork", try_vfork, ENDED },
	{ "ptrace", try_ptrace, ENDED },
	{ "process_vm_readv", try_vm_readv, ENDED },
	{ "bpf", try_bpf, ENDED },
	{ "perf_event_open", try_perf, ENDED },
	{ "mount", try_mount, ENDED },
	{ "unshare", try_unshare, ENDED },
	{ "chroot", try_chroot, ENDED },
	{ "setuid", try_setuid, ENDED },
	{ "capset", try_capset, ENDED },
	{ "finit_module", try_module, ENDED },
	{ "keyctl", try_keyctl, ENDED },
	{ "userfaultfd", try_userfaultfd, ENDED },
	{ "io_uring_setup", try_io_uring, 0 },
	{ "kill", try_kill, ENDED },
	{ "tgkill of another", try_tgkill, 0 },
	{ "mknod", try_mknod, ENDED },
	{ "new code", try_code, 0 },
	{ "becoming dumpable", try_dumpable, 0 },
	{ "a packet socket", try_raw_socket, 0 },
	{ "a vsock", try_vsock, 0 },
	{ "/etc/shadow", try_shadow, 0, 1 },
	{ "/etc/passwd", try_passwd, 0, 1 },
	{ "/proc/1", try_proc, 0, 1 },
	{ "writing elsewhere", try_write_elsewhere, 0, 1 },
	{ "writing /etc/hosts", try_write_hosts, 0, 1 },
	{ "deleting elsewhere", try_unlink_elsewhere, 0, 1 },
	{ "moving a file out", try_link_out, 0, 2 },
	{ "another port", try_connect, 0, 4 },
	{ "listening", try_listen, 0, 4 },
};

static int run_locked_in(int (*fn)(void))
{
	struct exportersandbox s = { .read_write = dir };
	struct err err = ERR_NULL;
	int status;
	pid_t pid = fork();

	if (pid) {
		CHECK(waitpid(pid, &status, 0) == pid);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	exportersandbox_add_system_paths(&s);
	exportersandbox_add_connect(&s, open_port);
	if (exportersandbox_enter(&s, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(OTHER);
	}
	_exit(fn());
}

static void test_what_is_refused(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		const struct attempt *a = &attempts[i];
		int r;

		if (a->abi > abi)
			continue;
		r = run_locked_in(a->fn);
		if (r != a->expected) {
			fprintf(stderr, "%s: %d, expected %d\n", a->name, r, a->expected);
			exit(1);
		}
		nr++;
	}
	fprintf(stderr, "    %zu attempts refused (Landlock ABI %ld)\n", nr, abi);
	CHECK(nr >= 20);
}

static void *thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static int use_threads(void)
{
	struct addrinfo *list = NULL, hints = { .ai_family = AF_UNSPEC };
	pthread_t t;
	int ran = 0;

	if (pthread_create(&t, NULL, thread, &ran) || pthread_join(t, NULL) || !ran)
		return 1;
	if (getaddrinfo("localhost", "80", &hints, &list))
		return 2;
	freeaddrinfo(list);
	return dial(open_port) == 0 ? 0 : 3;
}

static int use_store(void)
{
	struct store_config config = { .dir = dir, .max_bytes = 1 << 24, .max_age_ns = UINT64_MAX };
	struct winwire_header h = { .number = 1, .start_wall_ns = clock_wall_ns() };
	struct err err = ERR_NULL;
	struct store *s = NULL;
	_cleanup_(buf_deinitp) struct buf body = BUF_NULL;
	int r;

	if (store_open(&s, &config, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	buf_init(&body, 1024);
	winwire_put_body(&body, 0);
	r = store_put(s, &h, body.data, body.len);
	while (r == 0 && store_maintain(s) > 0)
		;
	store_free(s);
	if (r < 0)
		fprintf(stderr, "%s\n", err_str(r));
	return r ? 2 : 0;
}

static int is_bare(void)
{
	return prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1;
}

static void test_what_still_works(void)
{
	CHECK_INT(run_locked_in(use_threads), 0);
	CHECK_INT(run_locked_in(use_store), 0);
	CHECK_INT(run_locked_in(is_bare), 0);
}

static uint16_t listen_somewhere(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 8) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	return ntohs(a.sin_port);
}

int main(void)
{
	char command[128];

	CHECK(mkdtemp(dir));
	open_port = listen_somewhere();
	closed_port = listen_somewhere();
	RUN(test_what_is_refused);
	RUN(test_what_still_works);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) != 0;
}
