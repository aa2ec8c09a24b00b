/* Symbol tables asked in passes and by the sorted table say the same, and what they say is so for all of its stretch. */
#include "symbolizer/symtab.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>

#define NR 4096
#define STEP 7 /* bytes between addresses: several in each function */
#define QUESTIONS 12 /* enough for the table to be made */

static struct mem mem = { .max = 32 << 20 };

static uint64_t text_start, text_size; /* of this program */

static void find_text(Elf *elf)
{
	Elf_Scn *scn = NULL;
	size_t names;

	CHECK(!elf_getshdrstrndx(elf, &names));
	while ((scn = elf_nextscn(elf, scn))) {
		const Elf64_Shdr *shdr = elf64_getshdr(scn);

		if (shdr && !strcmp(elf_strptr(elf, names, shdr->sh_name), ".text")) {
			text_start = shdr->sh_addr;
			text_size = shdr->sh_size;
		}
	}
	CHECK(text_size);
}

static size_t make_queries(struct symtab_query *queries)
{
	size_t nr = 0;

	for (uint64_t at = 0; at < text_size && nr < NR; at += STEP)
		queries[nr++] =
			(struct symtab_query) { .vaddr = text_start + at, .stretch = STRETCH_ALL };
	return nr;
}

static bool same(const struct symtab_query *a, const struct symtab_query *b)
{
	if (!a->name || !b->name)
		return a->name == b->name;
	return !strcmp(a->name, b->name) && a->stub == b->stub;
}

/* The ends of a stretch, asked one by one, have the name that its address has. */
static void check_stretch(struct symtab *t, const struct symtab_query *q)
{
	const uint64_t ends[] = { q->stretch.start, q->stretch.end - 1 };

	CHECK(q->stretch.start <= q->vaddr && q->vaddr < q->stretch.end);
	for (size_t i = 0; q->name && i < 2; i++) {
		struct symtab_query other = { .vaddr = ends[i], .stretch = STRETCH_ALL };

		CHECK_INT(symtab_answer(t, &other, 1), 0);
		CHECK(same(q, &other));
	}
}

static void check_same_ways(Elf *elf, int fd)
{
	static struct symtab_query first[NR], again[NR];
	struct symtab_files files = { .elf = elf, .fd = fd };
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	size_t nr = make_queries(first), named = 0;

	CHECK_INT(symtab_new(&t, &files, &mem), 0);
	CHECK_INT(symtab_answer(t, first, nr), 0); /* in a pass */
	for (int i = 0; i < QUESTIONS; i++) {
		CHECK_INT(make_queries(again), nr);
		CHECK_INT(symtab_answer(t, again, nr), 0);
		for (size_t j = 0; j < nr; j++) {
			CHECK(same(&first[j], &again[j]));
			named += first[j].name != NULL;
		}
	}
	CHECK(named > nr * QUESTIONS / 2);
	for (size_t i = 0; i < nr; i++)
		check_stretch(t, &first[i]);
}

static Elf *open_self(int *ret_fd)
{
	Elf *elf;

	*ret_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK(*ret_fd >= 0 && elf_version(EV_CURRENT) != EV_NONE);
	elf = elf_begin(*ret_fd, ELF_C_READ_MMAP, NULL);
	CHECK(elf);
	find_text(elf);
	return elf;
}

static void test_passes_and_table(void)
{
	int fd;
	Elf *elf = open_self(&fd);

	check_same_ways(elf, fd);
	CHECK_INT(mem.used, 0);
	elf_end(elf);
	close(fd);
}

/* Memory for some addresses at a time, and none for the table. */
static void test_little_memory(void)
{
	int fd;
	Elf *elf = open_self(&fd);

	mem.max = 64 << 10;
	check_same_ways(elf, fd);
	CHECK_INT(mem.used, 0);
	CHECK(mem.refused > 0);
	mem.max = 64;
	CHECK_INT(symtab_new(&(struct symtab *) { NULL },
			     &(struct symtab_files) { .elf = elf, .fd = fd }, &mem),
		  -ENOMEM);
	elf_end(elf);
	close(fd);
}

int main(void)
{
	RUN(test_passes_and_table);
	RUN(test_little_memory);
	return 0;
}
