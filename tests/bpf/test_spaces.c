/*
 * What CPUs remember of address spaces, on this kernel: it must not be used for another program or for another library that
 * lies at the same address, and it must be used where nothing changed. The files have numbers here, as in real life: without
 * one a mapping is not remembered.
 */
#include "tests/bpf/run.h"

#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

#define FILES_MAX 512
#define PROGRAMS 3 /* an exec puts its address space where the one before the last was */
#define SPINNERS 50
#define THREADS 200
#define DEPTH 10

static struct {
	char name[32];
} files[FILES_MAX];
static uint32_t nr_files;

/* Gives each file that a record describes a number. */
static void number_files(const struct sampler_sample *sample, struct run *run)
{
	for (int i = 0; i < sample->head->nr_maps; i++) {
		if (nr_files == FILES_MAX)
			return;
		memcpy(files[nr_files].name, sample->maps[i].name, sizeof(files[0].name));
		CHECK_INT(sampler_set_file(run->sampler, &sample->maps[i], ++nr_files,
					   UNWIND_SLOT_NONE),
			  0);
	}
}

/* The name of the file that the user word is in; "": none that has a number. */
static const char *file_of(uint64_t word)
{
	return FRAME_KIND(word) == FRAME_FILE ? files[FRAME_FILE_ID(word) - 1].name : "";
}

static void start_on_children(struct run *run)
{
	struct sampler_filter filter = { .kind = SAMPLER_FILTER_DESCENDANTS,
					 .nr = 1,
					 .ids = { (uint64_t)getpid() } };
	struct err err = ERR_NULL;

	nr_files = 0;
	CHECK_INT(sampler_set_filter(run->sampler, &filter, &err), 0);
	CHECK_INT(sampler_start(run->sampler, &err), 0);
}

/* Stops, tells, and checks that samples were judged and none was wrong. Returns how many recalled their address space. */
static uint64_t end_run(struct run *run)
{
	struct sampler_counts counts;

	stop_run(run, &counts);
	fprintf(stderr,
		"    %" PRIu64 " samples right, %" PRIu64 " wrong; %" PRIu64 " of %" PRIu64
		" address spaces recalled\n",
		run->right, run->wrong, counts.bpf[COUNTER_SPACES_RECALLED],
		counts.bpf[COUNTER_SAMPLED]);
	CHECK_INT(run->wrong, 0);
	CHECK(run->right > 200);
	close_run(run);
	return counts.bpf[COUNTER_SPACES_RECALLED];
}

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
	bool becomes = !strcmp(argv[1], "become");
	char *next[] = { argv[2], argv[1], argv[3], argv[0], NULL };

	do {
		for (int i = 0; i < 20000000; i++)
			sink = sink * 3 + 1;
	} while (!becomes);
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
		return run_as_program(argv);
	if (getuid())
		SKIP("needs root");
	RUN(test_libraries_at_one_address);
	RUN(test_exec_at_the_same_addresses);
	RUN(test_more_processes_than_are_remembered);
	RUN(test_stacks_of_many_threads);
	return 0;
}
