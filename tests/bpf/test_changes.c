/*
 * Mappings that change under a program that runs: each sample is of what was mapped there then.
 *
 * The child runs one and the same code, which is at the beginning of each page of some files and of anonymous memory, and
 * calls itself after the place: "in-a" in file a, "anon" in no file.
 */
#include "tests/bpf/numbered.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define PAGES 4
#define FILES 12 /* more than the mappings that are remembered */
#define HUGE (2ul << 20)
#define TURNS 5000000ul /* some milliseconds */
#define SAMPLES 1000

extern const char __start_burncode[], __stop_burncode[];

/* Touches nothing but its registers, so it runs wherever it is put. */
static __attribute__((section("burncode"), noinline, used)) void burn_code(unsigned long turns)
{
	while (turns--)
		__asm__ volatile("");
}

static char path[FILES][64];
static int fds[FILES];

static void put_code(void *page)
{
	memcpy(page, __start_burncode, (size_t)(__stop_burncode - __start_burncode));
}

static void make_files(void)
{
	static char page[PAGE];

	CHECK(__stop_burncode - __start_burncode < (long)PAGE);
	put_code(page);
	for (int i = 0; i < FILES; i++) {
		snprintf(path[i], sizeof(path[i]), "/tmp/fleetprof-in-%c.%d", 'a' + i, getpid());
		fds[i] = open(path[i], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
		CHECK(fds[i] >= 0);
		for (int at = 0; at < PAGES; at++)
			CHECK_INT(write(fds[i], page, PAGE), PAGE);
	}
}

static void remove_files(void)
{
	for (int i = 0; i < FILES; i++) {
		close(fds[i]);
		unlink(path[i]);
	}
}

/* ---- in the child ---- */

static void need(bool good)
{
	if (!good)
		_exit(1);
}

static __attribute__((noinline)) void run_at(const char *name, void *place)
{
	prctl(PR_SET_NAME, name);
	((void (*)(unsigned long))place)(TURNS);
	prctl(PR_SET_NAME, "between");
}

static void run_in(int file, void *place)
{
	char name[] = { 'i', 'n', '-', (char)('a' + file), 0 };

	run_at(name, place);
}

static char *reserve(size_t size)
{
	char *at = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(at != MAP_FAILED);
	return (char *)(((uintptr_t)at + HUGE - 1) & -HUGE);
}

static void map_file(int file, void *at, size_t first_page, size_t pages)
{
	need(mmap(at, pages * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fds[file],
		  (off_t)(first_page * PAGE)) == at);
}

static char *map_anon(size_t size)
{
	char *at = reserve(size);

	need(mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		  0) == at);
	return at;
}

/* ---- in the reader ---- */

/* The name of the file that a word is in; "": none. */
static const char *name_of(const struct sampler_sample *sample, uint64_t word)
{
	if (FRAME_KIND(word) == FRAME_RECMAP)
		return sample->maps[FRAME_RECMAP_INDEX(word)].name;
	return file_of(word);
}

static bool is_ours(const char *name)
{
	return !strncmp(name, "fleetprof-in-", 13);
}

/* Is the caller what it always is, if the walk came so far? */
static bool caller_is_right(const struct sampler_sample *sample)
{
	uint64_t word = sample->head->nr_words_user > 1 ? sample->user_words[1] : 0;

	return FRAME_KIND(word) != FRAME_ANON && !is_ours(name_of(sample, word));
}

static void on_place(const struct sampler_sample *sample, void *userdata)
{
	const char *comm = sample->head->comm, *name;
	struct run *run = userdata;
	bool in_file = !strncmp(comm, "in-", 3), anon;

	number_files(sample, run);
	if (!sample->head->nr_words_user || sample->head->nr_words_kernel ||
	    (!in_file && strcmp(comm, "anon")))
		return;
	name = name_of(sample, sample->user_words[0]);
	anon = FRAME_KIND(sample->user_words[0]) == FRAME_ANON;
	if (!anon && !is_ours(name))
		return; /* on its way there */
	if (in_file == !anon && (anon || name[13] == comm[3]) && caller_is_right(sample))
		run->right++;
	else
		run->wrong++;
}

static void check_places(void (*body)(void))
{
	struct run run = { .fn = on_place };
	pid_t pid;

	make_files();
	open_run(&run);
	start_on_children(&run);
	pid = child_of(body);
	run_until(&run, SAMPLES);
	end_child(pid);
	remove_files();
	end_run(&run);
}

/* ---- the changes ---- */

/* One file's mapping goes elsewhere, and another's comes in its place. */
static void move_mappings(void)
{
	char *here = reserve(PAGES * PAGE), *there = reserve(PAGES * PAGE);

	for (int i = 0;; i = (i + 1) % FILES) {
		map_file(i, here, 0, PAGES);
		run_in(i, here);
		need(mremap(here, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    there) == there);
		map_file((i + 1) % FILES, here, 0, PAGES);
		run_in(i, there);
		run_in((i + 1) % FILES, here);
	}
}

/* A program that copies its text to large pages, and moves these over it. */
static void move_to_huge_pages(void)
{
	char *here = reserve(HUGE), *copy;

	for (int i = 0;; i = (i + 1) % FILES) {
		map_file(i, here, 0, PAGES);
		run_in(i, here);
		copy = map_anon(HUGE);
		madvise(copy, HUGE, MADV_HUGEPAGE);
		memcpy(copy, here, PAGES * PAGE);
		need(!mprotect(copy, HUGE, PROT_READ | PROT_EXEC));
		need(mremap(copy, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, here) == here);
		run_at("anon", here);
		need(mmap(here, HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		     here);
	}
}

/* The middle of a file's mapping becomes another file's, and anonymous memory. */
static void map_over_a_part(void)
{
	char *here = reserve(PAGES * PAGE), *page = here + PAGE;

	for (int i = 0;; i = (i + 1) % FILES) {
		int other = (i + 1) % FILES;

		map_file(i, here, 0, PAGES);
		run_in(i, page);
		map_file(other, page, 2, 1);
		run_in(other, page);
		run_in(i, page + PAGE);
		need(mmap(page, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
		put_code(page);
		need(!mprotect(page, PAGE, PROT_READ | PROT_EXEC));
		run_in(i, page); /* between a file's mappings: its text, copied */
		map_file(other, page + PAGE, 0, 1);
		run_at("anon", page); /* no longer between those of one */
		run_in(i, here);
	}
}

/* What a runtime's compiler does, which writes code or runs it, never both; beside it a file comes and goes. */
static void flip_protection(void)
{
	char *region = map_anon(PAGES * PAGE), *last = region + (PAGES - 1) * PAGE;

	for (int i = 0;; i = (i + 1) % FILES) {
		for (char *page = region; page < last; page += PAGE) {
			need(!mprotect(page, PAGE, PROT_READ | PROT_WRITE));
			put_code(page);
			need(!mprotect(page, PAGE, PROT_READ | PROT_EXEC));
			run_at("anon", page);
		}
		map_file(i, last, 0, 1);
		run_in(i, last);
		need(mmap(last, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == last);
	}
}

/* More files than are remembered, all of them mapped, and nothing changes. */
static void run_many_files(void)
{
	char *here = reserve(FILES * PAGES * PAGE);

	for (int i = 0; i < FILES; i++)
		map_file(i, here + (size_t)i * PAGES * PAGE, 0, PAGES);
	for (int i = 0;; i = (i + 1) % FILES)
		run_in(i, here + (size_t)i * PAGES * PAGE);
}

static void test_moved_mappings(void)
{
	check_places(move_mappings);
}

static void test_huge_pages(void)
{
	check_places(move_to_huge_pages);
}

static void test_mapped_over(void)
{
	check_places(map_over_a_part);
}

static void test_flipped_protection(void)
{
	check_places(flip_protection);
}

static void test_many_files(void)
{
	check_places(run_many_files);
}

/* ---- a file that is written in place while it is mapped ---- */

#define FOUND_OUT_NS (4500 * NSEC_PER_MSEC)

static uint64_t old_id, first_new_ns, stale, fresh;

static void write_in_place(void)
{
	char *here = reserve(PAGES * PAGE);
	cpu_set_t one;

	/* Another CPU that finds it out tells all of them. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	need(!sched_setaffinity(0, sizeof(one), &one));
	map_file(0, here, 0, PAGES);
	for (int i = 0; i < 100; i++)
		run_at("old", here);
	need(pwrite(fds[0], "x", 1, PAGES * PAGE - 1) == 1);
	for (;;)
		run_at("new", here);
}

/* With the same number as before it was written, or with another one? */
static void on_written(const struct sampler_sample *sample, void *userdata)
{
	uint64_t now_ns = sample->head->record.time_boot_ns, word;
	bool is_new = !strcmp(sample->head->comm, "new");
	struct run *run = userdata;

	number_files(sample, run);
	if (!sample->head->nr_words_user || sample->head->nr_words_kernel ||
	    (!is_new && strcmp(sample->head->comm, "old")))
		return;
	word = sample->user_words[0];
	if (FRAME_KIND(word) != FRAME_FILE || !is_ours(file_of(word)))
		return;
	if (!is_new) {
		old_id = FRAME_FILE_ID(word);
		return;
	}
	first_new_ns = first_new_ns ? first_new_ns : now_ns;
	stale += FRAME_FILE_ID(word) == old_id;
	fresh += FRAME_FILE_ID(word) != old_id;
	if (now_ns - first_new_ns < FOUND_OUT_NS)
		return;
	if (FRAME_FILE_ID(word) != old_id)
		run->right++;
	else
		run->wrong++;
}

static void test_written_in_place(void)
{
	struct run run = { .fn = on_written };
	pid_t pid;

	make_files();
	open_run(&run);
	start_on_children(&run);
	pid = child_of(write_in_place);
	run_until(&run, 300);
	end_child(pid);
	remove_files();
	fprintf(stderr, "    %" PRIu64 " samples after the write as before it, %" PRIu64 " not\n",
		stale, fresh);
	CHECK(old_id);
	end_run(&run);
}

int main(void)
{
	if (getuid())
		SKIP("needs root");
	RUN(test_moved_mappings);
	RUN(test_huge_pages);
	RUN(test_mapped_over);
	RUN(test_flipped_protection);
	RUN(test_many_files);
	RUN(test_written_in_place);
	return 0;
}
