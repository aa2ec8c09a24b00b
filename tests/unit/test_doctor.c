/* The doctor's findings, each provoked by a tree of files that says so; its table and its JSON. */
#include "agent/core/doctor_internal.h"
#include "tests/test.h"

#include <fcntl.h>
#include <sys/stat.h>

static char root[] = "/tmp/test_doctor-XXXXXX";

static void put(const char *path, const char *text)
{
	char whole[512];
	FILE *f;

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	for (char *slash = strchr(whole + sizeof(root), '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(whole, 0755);
		*slash = '/';
	}
	f = fopen(whole, "we");
	CHECK(f);
	fputs(text, f);
	fclose(f);
}

static void put_link(const char *path, const char *to)
{
	char whole[512];

	put(path, "");
	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	unlink(whole);
	CHECK_INT(symlink(to, whole), 0);
}

static void begin(struct doctor *d)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/*", root);
	CHECK_INT(system(command), 0);
	*d = (struct doctor) { .root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) };
	CHECK(d->root_fd >= 0);
}

static void end(struct doctor *d)
{
	close(d->root_fd);
}

/* There is a finding of that name and state whose sentence or advice holds the words. */
static void found(const struct doctor *d, const char *name, enum doctor_state state,
		  const char *words)
{
	for (size_t i = 0; i < d->nr; i++) {
		const struct doctor_finding *f = &d->findings[i];

		if (!strcmp(f->name, name) && f->state == state &&
		    (strstr(f->what, words) || strstr(f->advice, words)))
			return;
	}
	for (size_t i = 0; i < d->nr; i++)
		fprintf(stderr, "%d %s: %s → %s\n", d->findings[i].state, d->findings[i].name,
			d->findings[i].what, d->findings[i].advice);
	fprintf(stderr, "no finding %s, %d, \"%s\"\n", name, state, words);
	exit(1);
}

static void test_kernel_good(void)
{
	struct doctor d;

	begin(&d);
	put("sys/kernel/btf/vmlinux", "x");
	put("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	put("proc/sys/kernel/perf_event_paranoid", "4\n");
	put("proc/sys/kernel/perf_event_max_sample_rate", "100000\n");
	put("proc/sys/kernel/kptr_restrict", "1\n");
	doctor_kernel(&d);
	CHECK_INT(doctor_exit_status(&d), 0);
	found(&d, "lockdown", DOCTOR_OK, "integrity");
	found(&d, "perf_event_paranoid", DOCTOR_OK, "4");
	found(&d, "tracefs", DOCTOR_OK, "not needed");
	end(&d);
}

static void test_kernel_bad(void)
{
	struct doctor d;

	begin(&d);
	put("sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
	put("proc/sys/kernel/perf_event_max_sample_rate", "12\n");
	put("proc/sys/kernel/kptr_restrict", "2\n");
	put("proc/sys/kernel/bpf_stats_enabled", "1\n");
	doctor_kernel(&d);
	CHECK_INT(doctor_exit_status(&d), 2);
	found(&d, "btf", DOCTOR_FAIL, "CONFIG_DEBUG_INFO_BTF");
	found(&d, "lockdown", DOCTOR_FAIL, "lockdown=integrity");
	found(&d, "perf_event_paranoid", DOCTOR_FAIL, "CONFIG_PERF_EVENTS");
	found(&d, "max_sample_rate", DOCTOR_FAIL, "allows 12 samples");
	found(&d, "kptr_restrict", DOCTOR_WARN, "sysctl kernel.kptr_restrict=1");
	found(&d, "bpf_stats", DOCTOR_WARN, "bpf_stats_enabled=0");
	end(&d);
}

static void test_security(void)
{
	struct doctor d;

	begin(&d);
	put("sys/kernel/security/lsm", "capability,landlock,yama,apparmor");
	put("proc/self/attr/current", "docker-default (enforce)\n");
	put("proc/sys/kernel/yama/ptrace_scope", "3\n");
	put("proc/self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n");
	put("dev/kmsg", /* one record, as each read of the real one gives */
	    "5,2,2,-;audit: type=1400 apparmor=\"DENIED\" operation=\"ptrace\" "
	    "comm=\"fleetprof-opene\" \x1b[31m\n");
	put_link("proc/self/ns/user", "user:[4026532000]");
	put_link("proc/self/ns/pid", "pid:[4026531836]");
	doctor_security(&d);
	found(&d, "apparmor", DOCTOR_WARN, "apparmor=unconfined");
	found(&d, "denials", DOCTOR_WARN, "comm=\"fleetprof-opene\"");
	found(&d, "yama", DOCTOR_OK, "ptrace_scope 3");
	found(&d, "user namespace", DOCTOR_FAIL, "host's root");
	found(&d, "pid namespace", DOCTOR_OK, "the host's");
	CHECK(d.seccomp_filter);
	end(&d);
}

static void test_selinux(void)
{
	struct doctor d;

	begin(&d);
	put("sys/fs/selinux/enforce", "1");
	put("proc/self/attr/current", "system_u:system_r:container_t:s0:c1,c2");
	put_link("proc/self/ns/pid", "pid:[4026532001]");
	doctor_security(&d);
	found(&d, "selinux", DOCTOR_WARN, "container_t");
	found(&d, "pid namespace", DOCTOR_FAIL, "--pid=host");
	CHECK_INT(doctor_exit_status(&d), 2);
	put("proc/self/attr/current", "unconfined_u:unconfined_r:unconfined_t:s0");
	d.nr = 0;
	doctor_security(&d);
	found(&d, "selinux", DOCTOR_OK, "not confined");
	end(&d);
}

static void test_host(void)
{
	struct config config = { .rate = 19,
				 .state_dir = (char *)"/var/lib/fleetprof",
				 .memory = { .limit = 128 << 20 },
				 .store = { .max_bytes = 2ull << 30, .max_share = 5 } };
	char *server = (char *)"https://debug.example";
	struct doctor d;

	begin(&d);
	d.config = &config;
	put("sys/fs/cgroup/unified/x", "");
	put("sys/fs/cgroup/a/b/memory.max", "67108864\n");
	put("proc/self/cgroup", "0::/a/b\n");
	put("proc/1/cgroup", "0::/init.scope\n");
	for (int i = 2; i < 6; i++) { /* two containers of two processes */
		char path[64], text[256];

		snprintf(path, sizeof(path), "proc/%d/cgroup", i);
		snprintf(text, sizeof(text), "12:pids:/docker/%064x\n0::/\n", i / 2);
		put(path, text);
	}
	put("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
	put("var/lib/docker/containers/x", "");
	doctor_host(&d);
	found(&d, "cgroups", DOCTOR_OK, "hybrid");
	found(&d, "containers", DOCTOR_OK, "2 docker");
	found(&d, "container names", DOCTOR_OK, "/var/lib/docker/containers");
	found(&d, "memory", DOCTOR_WARN, "may have 64 MiB");
	found(&d, "clock source", DOCTOR_WARN, "hpet");
	found(&d, "debuginfod", DOCTOR_OK, "off");
	config.debuginfod.urls = (struct config_strings) { .items = &server, .nr = 1 };
	config.store.min_free = 101; /* no disk has that */
	d.nr = 0;
	doctor_host(&d);
	found(&d, "disk", DOCTOR_WARN, "does not grow");
	found(&d, "debuginfod", DOCTOR_OK, "https://debug.example is asked");
	end(&d);
}

static void test_print(void)
{
	_cleanup_(buf_deinitp) struct buf plain, colour, json;
	struct doctor d = { .root_fd = -1 };

	buf_init(&plain, 1 << 20);
	buf_init(&colour, 1 << 20);
	buf_init(&json, 1 << 20);
	doctor_add(&d, DOCTOR_OK, "one", NULL, "fine");
	doctor_add(&d, DOCTOR_WARN, "two", "do this and that, and then something else again",
		   "an \x1b[31mevil name </script> and %d words that do not fit into a line", 12);
	CHECK_INT(doctor_print(&d, 60, false, &plain), 0);
	CHECK_STR(buf_str(&plain), "ok    one                 fine\n"
				   "warn  two                 an \\x1b[31mevil name </script> and\n"
				   "                          12 words that do not fit into a\n"
				   "                          line\n"
				   "                        → do this and that, and then\n"
				   "                          something else again\n"
				   "\n"
				   "It works, with less: see the lines that begin with warn.\n");
	CHECK_INT(doctor_print(&d, 60, true, &colour), 0);
	CHECK(strstr(buf_str(&colour), "\033[33mwarn  \033[0mtwo"));
	CHECK_INT(doctor_print_json(&d, &json), 0);
	CHECK(strstr(buf_str(&json), "\"exit_status\":1"));
	CHECK(strstr(buf_str(&json), "\"state\":\"warn\",\"what\":\"an \\u001b[31mevil"));
	for (int i = 0; i < 100; i++)
		doctor_add(&d, DOCTOR_OK, "many", NULL, "x");
	CHECK_INT(d.nr, DOCTOR_FINDINGS_MAX);
}

int main(void)
{
	CHECK(mkdtemp(root));
	RUN(test_kernel_good);
	RUN(test_kernel_bad);
	RUN(test_security);
	RUN(test_selinux);
	RUN(test_host);
	RUN(test_print);
	{
		struct doctor d;

		begin(&d);
		end(&d);
	}
	rmdir(root);
	return 0;
}
