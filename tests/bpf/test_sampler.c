/* The kernel side on this kernel, through the core's own reader: identities, kinds of frames, ends, filters, losses. */
#include "tests/bpf/run.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- identities while the address space changes ---- */

static volatile bool churning;

/* Maps, protects, cuts and unmaps, so that the VMA tree is rebuilt all the time. */
static void *churn(void *unused)
{
	while (churning) {
		char *p = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		CHECK(p != MAP_FAILED);
		for (int i = 0; i < 64; i += 2)
			mprotect(p + i * 4096, 4096, PROT_READ);
		for (int i = 1; i < 64; i += 4)
			munmap(p + i * 4096, 4096);
		munmap(p, 64 * 4096);
	}
	return NULL;
}

#define FILES 8
#define LOOK_UPS 20000

static void test_identity_under_churn(void)
{
	struct run run = { .samples = 0 };
	struct rec_map first[FILES], map;
	int fds[FILES];
	pthread_t thread;

	open_run(&run);
	for (int i = 0; i < FILES; i++) {
		char path[] = "/tmp/fleetprof-identity.XXXXXX";

		fds[i] = mkstemp(path);
		CHECK(fds[i] >= 0);
		CHECK_INT(ftruncate(fds[i], 4096 * (i + 1)), 0);
		unlink(path);
		CHECK_INT(sampler_identify(run.sampler, fds[i], &first[i]), 0);
		for (int j = 0; j < i; j++)
			CHECK(first[i].ino != first[j].ino || first[i].gen != first[j].gen);
	}
	churning = true;
	CHECK_INT(pthread_create(&thread, NULL, churn, NULL), 0);
	/* munmap and mmap put different files at the same address, one after the other */
	for (int i = 0; i < LOOK_UPS; i++) {
		int r = sampler_identify(run.sampler, fds[i % FILES], &map);

		CHECK_INT(r, 0);
		CHECK_INT(map.ino, first[i % FILES].ino);
		CHECK_INT(map.size, 4096 * (i % FILES + 1));
		CHECK_INT(map.dev, first[i % FILES].dev);
	}
	churning = false;
	pthread_join(thread, NULL);
	for (int i = 0; i < FILES; i++)
		close(fds[i]);
	close_run(&run);
}

/* ---- different libraries, one after the other, at the same address ---- */

static void on_library(const struct sampler_sample *sample, void *userdata)
{
	struct run *run = userdata;
	const char *comm = sample->head->comm, *name;
	uint64_t leaf;

	if (strncmp(comm, "in-", 3) || !sample->head->nr_words_user ||
	    sample->head->nr_words_kernel)
		return;
	leaf = sample->user_words[0];
	if (FRAME_KIND(leaf) != FRAME_RECMAP)
		return;
	name = sample->maps[FRAME_RECMAP_INDEX(leaf)].name;
	if (strncmp(name, "fleetprof-lib-", 14))
		return; /* in prctl's own code */
	if (name[14] == comm[3])
		run->right++;
	else
		run->wrong++;
}

static void test_libraries_at_one_address(void)
{
	static const char source[] = "volatile unsigned long x; void burn(void)"
				     "{ for (long i = 0; i < 300000; i++) x = x * 3 + i; }\n";
	struct run run = { .fn = on_library };
	struct sampler_counts counts;
	char command[512];
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		snprintf(library[i], sizeof(library[i]), "/tmp/fleetprof-lib-%d.%d.so", i,
			 getpid());
		snprintf(command, sizeof(command), "echo '%s' | gcc -xc -shared -fPIC -O1 -o %s -",
			 source, library[i]);
		if (system(command))
			SKIP("no compiler for two small libraries");
	}
	open_run(&run);
	pid = child_of(swap_libraries);
	start_on(&run, pid);
	run_until(&run, 1500);
	stop_run(&run, &counts);
	end_child(pid);
	unlink(library[0]);
	unlink(library[1]);
	fprintf(stderr,
		"    %" PRIu64 " samples in the right library, %" PRIu64 " in the wrong one\n",
		run.right, run.wrong);
	CHECK(run.right > 1000);
	CHECK_INT(run.wrong, 0);
	close_run(&run);
}

/* ---- kinds of memory ---- */

/* x86-64 and arm64: a loop without end. */
#if defined(__x86_64__)
static const unsigned char endless[] = { 0xeb, 0xfe };
#else
static const unsigned char endless[] = { 0x00, 0x00, 0x00, 0x14 };
#endif

static void run_in_memfd(void)
{
	int fd = memfd_create("jit", 0);
	void *p;

	CHECK_INT(write(fd, endless, sizeof(endless)), sizeof(endless));
	CHECK_INT(ftruncate(fd, 4096), 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	((void (*)(void))p)();
}

static void run_in_zero(void)
{
	int fd = open("/dev/zero", O_RDWR);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	memcpy(p, endless, sizeof(endless));
	((void (*)(void))p)();
}

static void run_in_anonymous(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	CHECK(p != MAP_FAILED);
	memcpy(p, endless, sizeof(endless));
	((void (*)(void))p)();
}

static void on_anonymous(const struct sampler_sample *sample, void *userdata)
{
	struct run *run = userdata;

	if (sample->head->nr_words_kernel)
		return;
	if (FRAME_KIND(sample->user_words[0]) == FRAME_ANON)
		run->right++;
	else
		run->wrong++;
}

static void check_anonymous(void (*body)(void))
{
	struct run run = { .fn = on_anonymous };

	run_on(&run, body);
	CHECK_INT(run.wrong, 0);
}

static void test_memory_without_a_file(void)
{
	check_anonymous(run_in_memfd);
	check_anonymous(run_in_zero);
	check_anonymous(run_in_anonymous);
}

/* ---- depth ---- */

static void run_deep(void)
{
	descend(2000);
}

static void on_deep(const struct sampler_sample *sample, void *userdata)
{
	const struct record_sample *head = sample->head;
	struct run *run = userdata;
	uint64_t last;

	if (!head->nr_words_user)
		return;
	last = sample->user_words[head->nr_words_user - 1];
	if (head->end_reason == END_DEPTH && head->nr_words_user >= RECORD_MAX_FRAMES &&
	    FRAME_KIND(last) == FRAME_MARK && FRAME_MARK_CLASS(last) == FRAME_MARK_CUT)
		run->right++;
	else
		run->wrong++;
}

static void test_deep_stack_is_cut(void)
{
	struct run run = { .fn = on_deep };

	run_on(&run, run_deep);
	CHECK(run.wrong * 100 <= run.right);
}

/* ---- filter and losses ---- */

static void run_hot(void)
{
	static volatile uint64_t sink;

	for (;;)
		sink = sink * 3 + 1;
}

static void on_tgid(const struct sampler_sample *sample, void *userdata)
{
	struct run *run = userdata;

	if (sample->head->tgid == run->tgid)
		run->right++;
	else
		run->wrong++;
}

static void test_filter(void)
{
	struct run run = { .fn = on_tgid };
	struct sampler_counts counts;
	pid_t wanted, other;

	open_run(&run);
	wanted = child_of(run_hot);
	other = child_of(run_hot);
	wait_for_work(other);
	start_on(&run, wanted);
	run_until(&run, 900);
	stop_run(&run, &counts);
	end_child(wanted);
	end_child(other);
	CHECK(run.right > 200);
	CHECK_INT(run.wrong, 0);
	CHECK(counts.bpf[COUNTER_FILTERED] > 50);
	close_run(&run);
}

/* The kernel skips perf programs on a CPU that is inside of bpf(2): those samples must be told, not lost silently. */
static void run_in_bpf(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (;;) {
		int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "fp_test", 4, 4, 1024, NULL);

		for (uint32_t i = 0; i < 1024; i++)
			bpf_map_update_elem(fd, &i, &i, 0);
		close(fd);
	}
}

static void test_missed_is_told(void)
{
	struct run run = { .samples = 0 };
	struct sampler_counts counts;
	pid_t pid;

	open_run(&run);
	pid = child_of(run_in_bpf);
	start_on(&run, pid);
	run_for(&run, 2);
	stop_run(&run, &counts);
	end_child(pid);
	fprintf(stderr, "    %" PRIu64 " expected, %" PRIu64 " missed\n", counts.expected,
		counts.missed);
	CHECK(counts.missed * 100 >
	      counts.expected); /* above what a busy virtual machine misses by itself */
	close_run(&run);
}

static void test_map_memory(void)
{
	struct run run = { .samples = 0 };
	uint64_t bytes;

	open_run(&run);
	CHECK_INT(sampler_map_bytes(run.sampler, &bytes), 0);
	CHECK(bytes > 8 << 20 && bytes < 64 << 20);
	close_run(&run);
}

int main(void)
{
	if (getuid())
		SKIP("needs root");
	RUN(test_identity_under_churn);
	RUN(test_libraries_at_one_address);
	RUN(test_memory_without_a_file);
	RUN(test_deep_stack_is_cut);
	RUN(test_filter);
	RUN(test_missed_is_told);
	RUN(test_map_memory);
	return 0;
}
