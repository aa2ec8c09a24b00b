/*
 * unwind_agree PID SAMPLES: does the stack walk of the kernel side agree with libdwfl's, on the same stacks?
 *
 * Copies registers and stacks of a running process (PERF_SAMPLE_REGS_USER, PERF_SAMPLE_STACK_USER), and walks each copy
 * twice: by bpf/unwind.h, compiled natively, with the symbolizer's tables; and by libdwfl, which reads call frame
 * information itself. Prints how many whole stacks agree, and the disagreements by kind.
 */
#include "tests/bpf_native.h"
#include "agent/base/buf.h"
#include "agent/base/cleanup.h"
#include "symbolizer/symbolizer.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RATE_HZ 997
#define STACK_BYTES 65000u /* a record's size has 16 bits */
#define RING_PAGES 2048
#define FRAMES_MAX RECORD_MAX_FRAMES
#define SHOWN_MAX 10

/* In the order of the mask's bits: arch/x86/include/uapi/asm/perf_regs.h. */
#define REGS_MASK 0xff0fffULL
enum { R_AX, R_BX, R_CX, R_DX, R_SI, R_DI, R_BP, R_SP, R_IP, R_FLAGS, R_CS, R_SS, R_R8 };

struct copy {
	uint32_t pid, tid;
	uint64_t regs[20];
	uint64_t stack_size;
	const uint8_t *stack;
};

static struct copy current;
static int mem_fd;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static bool read_live(uint8_t *dst, size_t size, u64 addr)
{
	return pread(mem_fd, dst, size, (off_t)addr) == (ssize_t)size;
}

/* Code is read from the process: when that has ended, there is nothing to compare by. */
static bool is_there(void)
{
	uint8_t byte;

	return read_live(&byte, 1, current.regs[R_IP]);
}

/*
 * The copied stack first; what is not in it (code, the vDSO) as it is now. So is what lies below sp, of which there is no
 * copy: a register that an epilogue has restored already, and the caller's sp in OpenSSL's SHA-512 for AVX2.
 */
static bool read_user(void *dst, size_t size, u64 addr)
{
	uint64_t sp = current.regs[R_SP], end = sp + current.stack_size;
	size_t below = addr < sp && sp - addr < size ? sp - addr : 0;

	if (below) {
		if (!read_live(dst, below, addr))
			memset(dst, 0, below);
		return read_user((uint8_t *)dst + below, size - below, sp);
	}
	if (addr >= sp && addr < end) {
		if (size > end - addr)
			return false; /* beyond the copy: the live stack is another one by now */
		memcpy(dst, current.stack + (addr - sp), size);
		return true;
	}
	return read_live(dst, size, addr);
}

/* ---- the address space ---- */

static u64 table_of(const char *path, pid_t pid, u64 start, u64 end)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(buf_deinitp) struct buf image = BUF_NULL;
	_cleanup_(closep) int fd = -1;
	char name[64];

	if (strcmp(path, "[vdso]")) {
		snprintf(name, sizeof(name), "/proc/%d/map_files/%lx-%lx", pid, (long)start,
			 (long)end);
		fd = open(name, O_RDONLY | O_CLOEXEC);
	} else {
		size_t size = end - start;
		void *bytes = malloc(size);

		fd = memfd_create("vdso", MFD_CLOEXEC);
		if (pread(mem_fd, bytes, size, (off_t)start) != (ssize_t)size ||
		    write(fd, bytes, size) != (ssize_t)size)
			die("vdso");
		free(bytes);
	}
	if (fd < 0 || symbolizer_file_new(&file, fd, NULL))
		return UNWIND_TABLE_NONE;
	buf_init(&image, UNWIND_IMAGE_BYTES_MAX);
	if (symbolizer_file_unwind(file, &image))
		return UNWIND_TABLE_NONE;
	return native_place(image.data);
}

static void read_maps(pid_t pid)
{
	char path[64], line[1024], last[512] = "";
	u64 last_table = 0;
	u32 file_id = 0;
	FILE *f;

	native.nr_maps = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		die(path);
	while (fgets(line, sizeof(line), f) && native.nr_maps < NATIVE_MAPS) {
		struct native_map *map = &native.maps[native.nr_maps++];
		unsigned long start, end, offset, inode;
		char perms[8], name[512] = "";

		if (sscanf(line, "%lx-%lx %7s %lx %*s %lu %511s", &start, &end, perms, &offset,
			   &inode, name) < 5)
			die("maps");
		*map = (struct native_map) { .start = start,
					     .end = end,
					     .word = FRAME_MAKE_ANON(start),
					     .table = UNWIND_TABLE_ANON,
					     .executable = perms[2] == 'x' };
		if (!map->executable || !(inode || !strcmp(name, "[vdso]")))
			continue;
		if (strcmp(name, last)) {
			last_table = table_of(name, pid, start, end);
			snprintf(last, sizeof(last), "%s", name);
			file_id++;
		}
		map->word = FRAME_MAKE_FILE(file_id, offset);
		map->table = last_table;
	}
	fclose(f);
}

/* ---- ours ---- */

static struct scratch scratch_of_walk;

static u64 address_of(u64 word)
{
	for (size_t i = 0; i < native.nr_maps; i++) {
		const struct native_map *map = &native.maps[i];

		if (map->executable && word - map->word < map->end - map->start)
			return map->start + (word - map->word);
	}
	return 0;
}

static size_t walk_ours(uint64_t *pcs, enum end_reason *end)
{
	static const uint8_t dwarf_order[] = { R_AX, R_DX, R_CX, R_BX, R_SI, R_DI, R_BP, R_SP };
	struct scratch *s = &scratch_of_walk;
	size_t n = 0;

	for (size_t i = 0; i < 8; i++) {
		s->walk.regs[i] = current.regs[dwarf_order[i]];
		s->walk.regs[8 + i] = current.regs[R_R8 + i];
	}
	s->walk.pc = current.regs[R_IP];
	s->walk.sp = current.regs[R_SP];
	s->walk.fp = current.regs[R_BP];
	native_walk(s);
	*end = s->head.end_reason;
	for (size_t i = 0; i < s->nr_words; i++) {
		if (FRAME_KIND(s->words[i]) != FRAME_MARK)
			pcs[n++] = address_of(s->words[i]);
	}
	return n;
}

/* ---- libdwfl's ---- */

struct dwfl_walk {
	uint64_t pcs[FRAMES_MAX];
	size_t n;
};

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	if (*thread_arg)
		return 0;
	*thread_arg = arg;
	return (pid_t)current.tid;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	return read_user(result, sizeof(*result), addr);
}

static bool set_initial_registers(Dwfl_Thread *thread, void *arg)
{
	static const uint8_t dwarf_order[] = { R_AX, R_DX, R_CX, R_BX, R_SI, R_DI, R_BP, R_SP };
	Dwarf_Word regs[17];

	for (size_t i = 0; i < 8; i++) {
		regs[i] = current.regs[dwarf_order[i]];
		regs[8 + i] = current.regs[R_R8 + i];
	}
	regs[16] = current.regs[R_IP];
	return dwfl_thread_state_registers(thread, 0, 17, regs);
}

static int on_frame(Dwfl_Frame *frame, void *arg)
{
	struct dwfl_walk *walk = arg;
	Dwarf_Addr pc;
	bool activation;

	if (!dwfl_frame_pc(frame, &pc, &activation) || walk->n == FRAMES_MAX)
		return DWARF_CB_ABORT;
	walk->pcs[walk->n++] = activation ? pc : pc - 1;
	return DWARF_CB_OK;
}

static Dwfl *open_dwfl(pid_t pid)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_linux_proc_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
	};
	static const Dwfl_Thread_Callbacks threads = {
		.next_thread = next_thread,
		.memory_read = memory_read,
		.set_initial_registers = set_initial_registers,
	};
	static int dummy;
	Dwfl *dwfl = dwfl_begin(&callbacks);

	if (!dwfl || dwfl_linux_proc_report(dwfl, pid) || dwfl_report_end(dwfl, NULL, NULL) ||
	    !dwfl_attach_state(dwfl, NULL, pid, &threads, &dummy)) {
		fprintf(stderr, "libdwfl: %s\n", dwfl_errmsg(-1));
		exit(1);
	}
	return dwfl;
}

/* ---- the comparison ---- */

static struct {
	/* `cut`: it ends before the other one's root does; `only`: the other one has no root. */
	size_t all, equal, differ, ours_cut, theirs_cut, only_ours, neither, copy_cut;
	size_t ends[END_NR];
} found;

/* libdwfl goes by frame pointer where nothing is described, whatever is in the register. */
static bool parts_in_generated_code(const uint64_t *ours, size_t nr_ours, const uint64_t *theirs,
				    size_t nr_theirs)
{
	const struct native_map *map = NULL;

	for (size_t i = 0; i < nr_ours && i < nr_theirs && ours[i] == theirs[i]; i++)
		map = native_find(ours[i]);
	return map && map->table == UNWIND_TABLE_ANON;
}

static void show(const char *what, const uint64_t *ours, size_t nr_ours, const uint64_t *theirs,
		 size_t nr_theirs, enum end_reason end)
{
	size_t same = 0;

	if (found.differ + found.ours_cut + found.theirs_cut > SHOWN_MAX)
		return;
	while (same < nr_ours && same < nr_theirs && ours[same] == theirs[same])
		same++;
	printf("# %s: %zu frames and %zu, the first %zu equal; ours ended with %d; then %" PRIx64
	       " and %" PRIx64 ", last equal %" PRIx64 "\n",
	       what, nr_ours, nr_theirs, same, end, same < nr_ours ? ours[same] : 0,
	       same < nr_theirs ? theirs[same] : 0, same ? ours[same - 1] : 0);
	for (size_t i = 0; i < native.nr_maps; i++) {
		const struct native_map *map = &native.maps[i];
		struct scratch *s = &scratch_of_walk;

		if (!same || ours[same - 1] < map->start || ours[same - 1] >= map->end)
			continue;
		s->frame.word = map->word + (ours[same - 1] - map->start);
		s->frame.table = map->table;
		search_table(s);
		printf("#   at file %u offset %x: rule %" PRIx64 "\n", FRAME_FILE_ID(s->frame.word),
		       FRAME_FILE_OFFSET(s->frame.word), (uint64_t)s->frame.rule);
	}
}

static void compare(Dwfl *dwfl)
{
	struct dwfl_walk theirs = { .n = 0 };
	uint64_t ours[FRAMES_MAX];
	enum end_reason end;
	size_t n = walk_ours(ours, &end), common;
	bool failed;

	failed = dwfl_getthread_frames(dwfl, (pid_t)current.tid, on_frame, &theirs) != 0;
	common = n < theirs.n ? n : theirs.n;
	found.all++;
	found.ends[end]++;
	if (failed && parts_in_generated_code(ours, n, theirs.pcs, theirs.n)) {
		found.only_ours += end == END_ROOT;
		found.neither += end != END_ROOT;
	} else if (memcmp(ours, theirs.pcs, common * sizeof(*ours))) {
		found.differ++;
		show("differ", ours, n, theirs.pcs, theirs.n, end);
	} else if (end == END_ROOT && !failed && n == theirs.n) {
		found.equal++;
	} else if (end == END_READ_FAULT && current.stack_size >= STACK_BYTES - 8) {
		found.copy_cut++; /* the stack is larger than its copy */
	} else if (end != END_ROOT && (failed || n == theirs.n)) {
		found.neither++; /* a wrong description, or what was below sp */
	} else if (end == END_ROOT && (failed || n > theirs.n)) {
		found.theirs_cut++;
		show("libdwfl's is shorter", ours, n, theirs.pcs, theirs.n, end);
	} else {
		found.ours_cut++;
		show("ours is shorter", ours, n, theirs.pcs, theirs.n, end);
	}
}

/* ---- perf ---- */

static struct perf_event_mmap_page *open_event(pid_t tid, int *fd)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = RATE_HZ,
		.freq = 1,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
		.sample_regs_user = REGS_MASK,
		.sample_stack_user = STACK_BYTES / 8 * 8,
		.exclude_kernel = 0,
	};
	void *page;

	*fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (*fd < 0)
		return NULL;
	page = mmap(NULL, (1 + RING_PAGES) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (page == MAP_FAILED)
		die("mmap of a perf event");
	return page;
}

/* header, pid, tid, abi, registers, size, stack, dynamic size */
static bool take_record(const uint8_t *record)
{
	const struct perf_event_header *header = (const void *)record;
	const uint64_t *at = (const void *)(header + 1);
	const uint64_t *dynamic;

	if (header->type != PERF_RECORD_SAMPLE)
		return false;
	current.pid = ((const uint32_t *)at)[0];
	current.tid = ((const uint32_t *)at)[1];
	at++;
	if (*at++ != PERF_SAMPLE_REGS_ABI_64)
		return false;
	memcpy(current.regs, at, sizeof(current.regs));
	at += 20;
	current.stack_size = *at++;
	if (!current.stack_size)
		return false;
	current.stack = (const uint8_t *)at;
	dynamic = (const void *)(current.stack + current.stack_size);
	current.stack_size = *dynamic;
	return current.stack_size != 0;
}

static void drain(struct perf_event_mmap_page *page, Dwfl *dwfl)
{
	static uint8_t record[65536];
	const uint8_t *data = (const uint8_t *)page + 4096;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), tail = page->data_tail;

	while (tail < head) {
		size_t at = tail % (RING_PAGES * 4096), first = RING_PAGES * 4096 - at;
		size_t size = ((const struct perf_event_header *)(data + at))->size;

		memcpy(record, data + at, size < first ? size : first);
		if (size > first)
			memcpy(record + first, data, size - first);
		if (take_record(record) && is_there())
			compare(dwfl);
		tail += size;
	}
	__atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct perf_event_mmap_page *page;
	size_t wanted, before = 0;
	char path[64];
	int fd, idle = 0;
	pid_t pid;
	Dwfl *dwfl;

	if (argc != 3) {
		fprintf(stderr, "usage: unwind_agree PID SAMPLES\n");
		return 2;
	}
	pid = atoi(argv[1]);
	wanted = (size_t)atol(argv[2]);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (mem_fd < 0)
		die(path);
	native.read = read_user;
	read_maps(pid);
	dwfl = open_dwfl(pid);
	page = open_event(pid, &fd);
	if (!page)
		die("perf_event_open");
	while (found.all < wanted && idle < 250) {
		nanosleep(&pause, NULL);
		drain(page, dwfl);
		idle = found.all == before ? idle + 1 : 0;
		before = found.all;
	}
	printf("all %zu equal %zu differ %zu ours_shorter %zu theirs_shorter %zu only_ours %zu neither %zu larger_than_copy %zu\n",
	       found.all, found.equal, found.differ, found.ours_cut, found.theirs_cut,
	       found.only_ours, found.neither, found.copy_cut);
	for (size_t i = 0; i < END_NR; i++)
		if (found.ends[i])
			printf("end %zu %zu\n", i, found.ends[i]);
	return 0;
}
