/* The exporter's sandbox. */
#include "agent/exporter/sandbox.h"
#include "agent/base/log.h"
#include "agent/base/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Debian 12's headers know Landlock up to ABI 2; the numbers are the kernel's (include/uapi/linux/landlock.h). */
#define ABI_TRUNCATE 3
#define ABI_NET 4
#define ABI_IOCTL 5
#define ABI_SCOPE 6
#define ACCESS_FS_TRUNCATE (1ull << 14)
#define ACCESS_FS_IOCTL_DEV (1ull << 15)
#define ACCESS_NET_BIND_TCP (1ull << 0)
#define ACCESS_NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0)
#define SCOPE_SIGNAL (1ull << 1)
#define RULE_NET_PORT 2

#define ACCESS_FS_ABI1 ((1ull << 13) - 1) /* execute … make_sym */
#define ACCESS_FS_REFER (1ull << 13) /* ABI 2 */
#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_FILE                                                                                \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |                            \
	 LANDLOCK_ACCESS_FS_EXECUTE | ACCESS_FS_TRUNCATE)
#define ACCESS_WRITE                                                                               \
	(ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | ACCESS_FS_REFER | ACCESS_FS_TRUNCATE)

/* struct landlock_ruleset_attr as of ABI 6; a kernel takes a shorter one, of the size that its ABI has. */
struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct port_attr {
	uint64_t access, port;
};

int exportersandbox_add_read_only(struct exportersandbox *s, const char *path)
{
	if (s->nr_read_only == SANDBOX_MAX_PATHS)
		return -ENOSPC;
	s->read_only[s->nr_read_only++] = path;
	return 0;
}

static int add_port(uint16_t *ports, size_t *nr, uint16_t port)
{
	if (*nr == SANDBOX_MAX_PORTS)
		return -ENOSPC;
	ports[(*nr)++] = port;
	return 0;
}

int exportersandbox_add_connect(struct exportersandbox *s, uint16_t port)
{
	return add_port(s->connect, &s->nr_connect, port);
}

int exportersandbox_add_bind(struct exportersandbox *s, uint16_t port)
{
	return add_port(s->bind, &s->nr_bind, port);
}

void exportersandbox_add_system_paths(struct exportersandbox *s)
{
	static const char *const paths[] = {
		"/etc/resolv.conf",
		"/etc/hosts",
		"/etc/nsswitch.conf",
		"/etc/host.conf",
		"/etc/gai.conf",
		"/etc/services",
		"/etc/localtime",
		"/usr/share/zoneinfo",
		/* what resolv.conf is a link to, where a resolver of the host writes it */
		"/run/systemd/resolve",
		"/run/resolvconf",
		"/run/NetworkManager",
		"/etc/ssl",
		"/usr/lib/ssl",
		"/usr/share/ca-certificates",
		"/usr/local/share/ca-certificates",
		"/etc/pki",
		"/etc/crypto-policies",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		exportersandbox_add_read_only(s, paths[i]);
}

/* What SQLite, libcurl, OpenSSL, the resolver's thread, the page's server and our loop do. */
static const int allowed[] = {
	/* descriptors and files */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(getdents64),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),
	SCMP_SYS(mkdir),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(sync_file_range),
	SCMP_SYS(utimensat),
	SCMP_SYS(flock),
	SCMP_SYS(fcntl),
	SCMP_SYS(fchmod),
	SCMP_SYS(dup),
	SCMP_SYS(pipe),
	SCMP_SYS(pipe2),
	SCMP_SYS(memfd_create),
	SCMP_SYS(sendfile),
	/* memory */
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	/* sockets; which ones: below */
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(sendto),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt),
	SCMP_SYS(socketpair),
	/* waiting and time */
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(signalfd4),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	/* threads, signals, the end */
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(gettid),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* about ourselves */
	SCMP_SYS(getpid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrusage),
	SCMP_SYS(getrlimit),
};

/* Refused without an end: libraries try them, and can do without. */
static const int passed_over[] = {
	SCMP_SYS(
		clone3), /* its flags lie in memory, where no filter can see them; glibc then takes clone */
	SCMP_SYS(openat2),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(close_range),
};

/* Nobody in here calls these: who does is an intruder. (SQLite tries fchown as root, and does without.) */
static const int fatal[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(capset),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(chown),
	SCMP_SYS(fchownat),
	SCMP_SYS(lchown),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(personality),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(open_tree),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(quotactl),
	SCMP_SYS(acct),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(sethostname),
	SCMP_SYS(syslog),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
};

/* A rule for a call that this architecture does not have is no rule. */
static int rule(scmp_filter_ctx ctx, uint32_t action, int call)
{
	int r = seccomp_rule_add(ctx, action, call, 0);

	return r == -EDOM || r == -EINVAL || r == -EACCES ? 0 : r;
}

static int rules(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t nr)
{
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++)
		r = rule(ctx, action, calls[i]);
	return r;
}

/* Calls of which only some arguments are allowed; whatever else they are asked for is EPERM. */
static int add_conditions(scmp_filter_ctx ctx)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	static const int prctls[] = { PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE };
	static const unsigned long ioctls[] = { FIONREAD, FIONBIO, TCGETS };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)families[i]));
	for (size_t i = 0; i < ARRAY_SIZE(prctls) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)prctls[i]));
	for (size_t i = 0; i < ARRAY_SIZE(ioctls) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)ioctls[i]));
	/* threads (the resolver's), no processes */
	r = r
		    ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
					SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_VM | CLONE_THREAD,
						CLONE_VM | CLONE_THREAD));
	/* no new code: a thread's stack and malloc's arenas are made readable and writable */
	r = r
		    ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
					SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* abort() and pthread_kill() reach ourselves only */
	r = r
		    ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
					SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)getpid()));
	return r
		       ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
					   SCMP_A0_32(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
}

/* Says which call it was, and ends. Only what is safe in a signal handler. */
static void on_fatal(int signo, siginfo_t *info, void *context)
{
	char text[] =
		"fleetprof-exporter: a system call that no part of it makes: number 000000; ending\n";
	char *digit = strstr(text, "000000") + 5;

	for (int n = info->si_syscall; n > 0 && *digit == '0'; n /= 10)
		*digit-- = (char)('0' + n % 10);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(SIGSYS + 128);
	_exit(SIGSYS + 128);
}

static int catch_fatal(void)
{
	struct sigaction action = { .sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO };

	return sigaction(SIGSYS, &action, NULL) < 0 ? err_last() : 0;
}

static int enter_seccomp(struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ctx ? catch_fatal() : -ENOMEM;

	r = r ?: seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	r = r ?: rules(ctx, SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed));
	r = r ?: rules(ctx, SCMP_ACT_ERRNO(ENOSYS), passed_over, ARRAY_SIZE(passed_over));
	r = r ?: rules(ctx, SCMP_ACT_TRAP, fatal, ARRAY_SIZE(fatal));
	r = r ?: add_conditions(ctx);
	r = r ?: seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? err_errno(err, r, "cannot filter system calls") : 0;
}

static int add_path(int ruleset, const char *path, uint64_t access)
{
	_cleanup_(closep) int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr attr = { .parent_fd = fd };
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : err_last();
	if (fstat(fd, &st) < 0)
		return err_last();
	attr.allowed_access = S_ISDIR(st.st_mode) ? access : access & ACCESS_FILE;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0
		       ? err_last()
		       : 0;
}

static int add_port_rule(int ruleset, uint16_t port, uint64_t access)
{
	const struct port_attr attr = { .access = access, .port = port };

	return syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attr, 0) < 0 ? err_last()
										    : 0;
}

/* What a kernel of this ABI can refuse: everything of it. */
static struct ruleset_attr refusals(long abi, size_t *ret_size)
{
	struct ruleset_attr a = { .fs = ACCESS_FS_ABI1 };

	*ret_size = sizeof(a.fs);
	a.fs |= abi >= 2 ? ACCESS_FS_REFER : 0;
	a.fs |= abi >= ABI_TRUNCATE ? ACCESS_FS_TRUNCATE : 0;
	a.fs |= abi >= ABI_IOCTL ? ACCESS_FS_IOCTL_DEV : 0;
	if (abi >= ABI_NET) {
		a.net = ACCESS_NET_BIND_TCP | ACCESS_NET_CONNECT_TCP;
		*ret_size += sizeof(a.net);
	}
	if (abi >= ABI_SCOPE) {
		a.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
		*ret_size += sizeof(a.scoped);
	}
	return a;
}

static int add_rules(int ruleset, const struct exportersandbox *s, const struct ruleset_attr *a)
{
	int r = s->read_write ? add_path(ruleset, s->read_write, ACCESS_WRITE & a->fs) : 0;

	for (size_t i = 0; i < s->nr_read_only && r == 0; i++)
		r = add_path(ruleset, s->read_only[i], ACCESS_READ & a->fs);
	for (size_t i = 0; a->net && i < s->nr_connect && r == 0; i++)
		r = add_port_rule(ruleset, s->connect[i], ACCESS_NET_CONNECT_TCP);
	for (size_t i = 0; a->net && i < s->nr_bind && r == 0; i++)
		r = add_port_rule(ruleset, s->bind[i], ACCESS_NET_BIND_TCP);
	return r;
}

static int enter_landlock(const struct exportersandbox *s, struct err *err)
{
	_cleanup_(closep) int ruleset = -1;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_attr a;
	size_t size;
	int r;

	if (abi < 0) {
		log_warn("this kernel has no Landlock: the exporter is confined by its user and "
			 "by the filter of system calls only");
		return 0;
	}
	a = refusals(abi, &size);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	r = ruleset < 0 ? err_last() : add_rules(ruleset, s, &a);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = err_last();
	return r < 0 ? err_errno(err, r, "cannot restrict paths") : 0;
}

int exportersandbox_enter(const struct exportersandbox *s, struct err *err)
{
	const struct rlimit none = { .rlim_cur = 0 };
	int r = privilege_drop(NULL, 0, 0, err);

	if (r == 0 && setrlimit(RLIMIT_CORE, &none) < 0)
		r = err_errno(err, err_last(), "cannot forbid core dumps");
	r = r ?: enter_landlock(s, err);
	return r ?: enter_seccomp(err);
}
