/*
 * What CPUs remember of address spaces, on this kernel: it must not be used for another program or for another library that
 * lies at the same address, and it must be used where nothing changed. The files have numbers here, as in real life: without
 * one a mapping is not remembered.
 */
#include "tests/bpf/numbered.h"

#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

#define PROGRAMS 3 /* an exec puts its address space where the one before the last was */
#define SPINNERS 50
#define THREADS 200
#define DEPTH 10

/* Does this kernel count the changes of an address space? Where it does not, nothing is recalled. */
static bool kernel_counts_changes(void)
{
	return !system("bpftool btf dump file /sys/kernel/btf/vmlinux | grep -q \"'mm_lock_seq'\"");
}

/* ---- different libraries, one after the other, at the same address ---- */

/* Names have a number behind -in-, and so does the name of the thread that runs in one. */
static void on_named(const struct sampler_sample *sample, void *userdata)
{
	const char *comm = sample->head->comm, *name;
	struct run *run = userdata;

	number_files(sample, run);
	if (!sample->head->nr_words_user || sample->head->nr_words_kernel)
		return;
	name = file_of(sample->user_words[0]);
	if (strncmp(name, "fleetprof-in-", 13) ||
	    (strncmp(comm, "in-", 3) && strncmp(comm, "fleetprof-in-", 13)))
		return;
	if (name[13] == comm[strncmp(comm, "in-", 3) ? 13 : 3])
		run->right++;
	else
		run->wrong++;
}

static void test_libraries_at_one_address(void)
{
	static const char source[] = "volatile unsigned long x; void burn(void)"
				     "{ for (long i = 0; i < 3000000; i++) x = x * 3 + i; }\n";
	struct run run = { .fn = on_named };
	char command[512];
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		snprintf(library[i], sizeof(library[i]), "/tmp/fleetprof-in-%d.%d.so", i, getpid());
		snprintf(command, sizeof(command), "echo '%s' | gcc -xc -shared -fPIC -O1 -o %s -",
			 source, library[i]);
		if (system(command))
			SKIP("no compiler for two small libraries");
	}
	open_run(&run);
	start_on_children(&run);
	pid = child_of(swap_libraries);
	run_until(&run, 1500);
	end_child(pid);
	unlink(library[0]);
	unlink(library[1]);
	if (end_run(&run) == 0)
		CHECK(!kernel_counts_changes()); /* within one burn nothing changes */
}

/* ---- other programs at the same addresses ---- */

static volatile uint64_t sink;
static char program[PROGRAMS][64];

static void copy_program(void)
{
	char command[512], self[PATH_MAX] = "";

	CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	for (int i = 0; i < PROGRAMS; i++) {
		snprintf(program[i], sizeof(program[i]), "/tmp/fleetprof-in-%d.%d", i, getpid());
		snprintf(command, sizeof(command), "cp %s %s", self, program[i]);
		CHECK_INT(system(command), 0);
	}
}

static void remove_program(void)
{
	for (int i = 0; i < PROGRAMS; i++)
		unlink(program[i]);
}

/* As the program: burns a while, then becomes its next copy, or goes on for ever. The arguments are what comes next. */
static int run_as_program(char **argv)
{
	bool spins = !strcmp(argv[1], "spin"), once = !strcmp(argv[1], "once");
	char *next[] = { argv[2], argv[1], argv[3], argv[0], NULL };

	do {
		for (int i = 0; i < (once ? 2000000 : 20000000); i++)
			sink = sink * 3 + 1;
	} while (spins);
	if (once)
		return 0;
	execv(next[0], next);
	return 1;
}

static void start_program(int which, char *what)
{
	char *argv[] = { program[which], what, program[(which + 1) % PROGRAMS],
			 program[(which + 2) % PROGRAMS], NULL };

	personality(ADDR_NO_RANDOMIZE);
	execv(argv[0], argv);
	_exit(1);
}

static void become_each_other(void)
{
	start_program(0, "become");
}

static void test_exec_at_the_same_addresses(void)
{
	struct run run = { .fn = on_named };
	pid_t pid;

	copy_program();
	open_run(&run);
	start_on_children(&run);
	pid = child_of(become_each_other);
	run_until(&run, 2000);
	end_child(pid);
	remove_program();
	end_run(&run);
}

/* As another program does that starts others: a child that shares its address space until it is another program. */
static int run_as_parent(char **argv)
{
	char *next[] = { argv[2], (char *)"once", argv[3], argv[0], NULL };
	pid_t pid;

	for (;;) {
		for (int i = 0; i < 2000000; i++)
			sink = sink * 3 + 1;
		pid = vfork();
		if (!pid) {
			execv(next[0], next);
			_exit(1);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
	}
}

static void start_others(void)
{
	start_program(0, "parent");
}

static void test_vfork_and_exec(void)
{
	struct run run = { .fn = on_named };
	pid_t pid;

	copy_program();
	open_run(&run);
	start_on_children(&run);
	pid = child_of(start_others);
	run_until(&run, 1500);
	end_child(pid);
	remove_program();
	end_run(&run);
}

static int spinner;

static void spin(void)
{
	start_program(spinner % PROGRAMS, "spin");
}

static void test_more_processes_than_are_remembered(void)
{
	struct run run = { .fn = on_named };
	pid_t pids[SPINNERS];

	copy_program();
	open_run(&run);
	start_on_children(&run);
	for (spinner = 0; spinner < SPINNERS; spinner++)
		pids[spinner] = child_of(spin);
	run_until(&run, 3000);
	for (int i = 0; i < SPINNERS; i++)
		end_child(pids[i]);
	remove_program();
	if (end_run(&run) == 0)
		CHECK(!kernel_counts_changes());
}

/* ---- stacks of many threads ---- */

static void *in_thread(void *unused)
{
	prctl(PR_SET_NAME, "deep");
	descend(DEPTH);
	return NULL;
}

static void run_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&thread, NULL, in_thread, NULL), 0);
	pause();
}

/* Built with frame pointers: the whole descent is found if the stack's bounds are right. */
static void on_deep(const struct sampler_sample *sample, void *userdata)
{
	struct run *run = userdata;
	int frames = 0;

	number_files(sample, run);
	if (strcmp(sample->head->comm, "deep") || sample->head->nr_words_kernel)
		return;
	for (int i = 0; i < sample->head->nr_words_user; i++)
		frames += !strcmp(file_of(sample->user_words[i]), "bpf_test_spaces");
	if (frames > DEPTH)
		run->right++;
	else if (frames > 0 && file_of(sample->user_words[0])[0] == 'b')
		run->wrong++;
}

static void test_stacks_of_many_threads(void)
{
	struct run run = { .fn = on_deep };
	pid_t pid;

	open_run(&run);
	start_on_children(&run);
	pid = child_of(run_threads);
	run_until(&run, 3000);
	end_child(pid);
	end_run(&run);
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return strcmp(argv[1], "parent") ? run_as_program(argv) : run_as_parent(argv);
	if (getuid())
		SKIP("needs root");
	RUN(test_libraries_at_one_address);
	RUN(test_exec_at_the_same_addresses);
	RUN(test_vfork_and_exec);
	RUN(test_more_processes_than_are_remembered);
	RUN(test_stacks_of_many_threads);
	return 0;
}
