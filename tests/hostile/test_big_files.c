/*
 * Files that are larger than any memory for them: what is in them is found, within a child's memory and deadline, and
 * nobody else waits. They are mostly holes, so that they cost nothing to make.
 */
#include "tests/fixtures/supervised.h"

#include <elf.h>
#include <sys/mman.h>

#define DEADLINE_MS 15000 /* for the slowest of machines */
#define CHILD_SHARE (42ULL << 20) /* of the default memory.limit */
#define TEXT 0x401000 /* where the code is, at file offset TEXT_OFFSET */
#define TEXT_OFFSET 0x1000
#define TEXT_SIZE 0x1000
#define TABLE 0x10000000 /* where another segment is, from HEAP_OFFSET on */
#define HEAP_OFFSET 0x10000

/* A file that is written piece by piece. */
struct maker {
	int fd;
	uint64_t end;
	Elf64_Shdr sections[16];
	uint16_t nr_sections;
	char names[256];
	uint32_t names_size;
};

static void put(struct maker *m, uint64_t at, const void *data, size_t size)
{
	CHECK_INT(pwrite(m->fd, data, size, (off_t)at), size);
}

static uint16_t add_section(struct maker *m, const char *name, uint32_t type, uint64_t flags,
			    uint64_t addr, uint64_t offset, uint64_t size)
{
	CHECK(m->nr_sections < ARRAY_SIZE(m->sections));
	m->sections[m->nr_sections] = (Elf64_Shdr) { .sh_name = m->names_size,
						     .sh_type = type,
						     .sh_flags = flags,
						     .sh_addr = addr,
						     .sh_offset = offset,
						     .sh_size = size };
	memcpy(m->names + m->names_size, name, strlen(name) + 1);
	m->names_size += (uint32_t)strlen(name) + 1;
	return m->nr_sections++;
}

/* Appends a section with these bytes. */
static uint16_t append(struct maker *m, const char *name, uint32_t type, const void *data,
		       size_t size)
{
	uint64_t at = (m->end + 15) & ~15ULL;

	put(m, at, data, size);
	m->end = at + size;
	return add_section(m, name, type, 0, 0, at, size);
}

static void begin(struct maker *m)
{
	*m = (struct maker) { .fd = memfd_create("big", MFD_CLOEXEC), .end = HEAP_OFFSET };
	CHECK(m->fd >= 0);
	add_section(m, "", SHT_NULL, 0, 0, 0, 0);
	add_section(m, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, TEXT, TEXT_OFFSET,
		    TEXT_SIZE);
}

/* known_symbol is the code's second half. */
static void add_symbols(struct maker *m)
{
	static const char strings[] = "\0known_symbol";
	const Elf64_Sym symbols[] = { { .st_name = 0 },
				      { .st_name = 1,
					.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
					.st_shndx = 1,
					.st_value = TEXT + TEXT_SIZE / 2,
					.st_size = TEXT_SIZE / 2 } };
	uint16_t names = append(m, ".strtab", SHT_STRTAB, strings, sizeof(strings));
	Elf64_Shdr *shdr = &m->sections[append(m, ".symtab", SHT_SYMTAB, symbols, sizeof(symbols))];

	shdr->sh_link = names;
	shdr->sh_entsize = sizeof(symbols[0]);
}

/* Headers around it. table_size: of the second segment, 0 for none. */
static void finish(struct maker *m, uint64_t table_size)
{
	const Elf64_Phdr segments[] = { { .p_type = PT_LOAD,
					  .p_flags = PF_R | PF_X,
					  .p_offset = TEXT_OFFSET,
					  .p_vaddr = TEXT,
					  .p_filesz = TEXT_SIZE,
					  .p_memsz = TEXT_SIZE },
					{ .p_type = PT_LOAD,
					  .p_flags = PF_R,
					  .p_offset = HEAP_OFFSET,
					  .p_vaddr = TABLE,
					  .p_filesz = table_size,
					  .p_memsz = table_size } };
	uint16_t names = append(m, ".shstrtab", SHT_STRTAB, m->names, m->names_size);
	Elf64_Ehdr ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_X86_64,
			    .e_version = EV_CURRENT,
			    .e_phoff = sizeof(ehdr),
			    .e_ehsize = sizeof(ehdr),
			    .e_phentsize = sizeof(segments[0]),
			    .e_phnum = table_size ? 2 : 1,
			    .e_shentsize = sizeof(m->sections[0]),
			    .e_shnum = m->nr_sections,
			    .e_shstrndx = names };

	m->sections[names].sh_size = m->names_size;
	ehdr.e_shoff = (m->end + 15) & ~15ULL;
	put(m, ehdr.e_shoff, m->sections, m->nr_sections * sizeof(m->sections[0]));
	put(m, 0, &ehdr, sizeof(ehdr));
	put(m, sizeof(ehdr), segments, sizeof(segments));
}

/* A unit; a variable with a constant of any size; a function. DWARF 4. */
static const uint8_t abbrevs[] = { 1, 0x11, 1, 0x11, 1, 0x12, 7, 0,    0, 2,    0x34, 0, 0x1c, 4,
				   0, 0,    3, 0x2e, 0, 3,    8, 0x11, 1, 0x12, 7,    0, 0,    0 };

static size_t put_code(uint8_t *at, uint64_t start, uint64_t size)
{
	memcpy(at, &start, 8);
	memcpy(at + 8, &size, 8);
	return 16;
}

#define NR_HOLES 2047
#define HOLE (1u << 20)

/* 2 GB of debug information: a unit of constants, a megabyte each, and behind them a function. */
static int make_debug_information(void)
{
	static const char name[] = "far_function";
	uint8_t head[32] = { [4] = 4, [10] = 8, [11] = 1 }, constant[5] = { 2 }, tail[64] = { 3 };
	uint32_t hole = HOLE - sizeof(constant), length;
	size_t head_size = 12 + put_code(head + 12, TEXT, TEXT_SIZE), tail_size = 1 + sizeof(name);
	struct maker m;
	uint64_t at;

	memcpy(tail + 1, name, sizeof(name));
	tail_size += put_code(tail + tail_size, TEXT, TEXT_SIZE / 2) + 1;
	memcpy(constant + 1, &hole, sizeof(hole));
	length = (uint32_t)(head_size + (uint64_t)NR_HOLES * HOLE + tail_size - 4);
	memcpy(head, &length, sizeof(length));
	begin(&m);
	at = m.end;
	put(&m, at, head, head_size);
	for (uint64_t i = 0; i < NR_HOLES; i++)
		put(&m, at + head_size + i * HOLE, constant, sizeof(constant));
	put(&m, at + length + 4 - tail_size, tail, tail_size);
	m.end += length + 4;
	add_section(&m, ".debug_info", SHT_PROGBITS, 0, 0, at, length + 4);
	append(&m, ".debug_abbrev", SHT_PROGBITS, abbrevs, sizeof(abbrevs));
	add_symbols(&m);
	finish(&m, 0);
	return m.fd;
}

/* The same unit without what is between, packed: it says that it unpacks to size bytes, and is nonsense. */
static int make_bomb(uint64_t size)
{
	struct {
		Elf64_Chdr header;
		uint8_t packed[64];
	} section = { .header = { .ch_type = ELFCOMPRESS_ZLIB, .ch_size = size },
		      .packed = { 0x78, 0x9c } };
	struct maker m;

	begin(&m);
	m.sections[append(&m, ".debug_info", SHT_PROGBITS, &section, sizeof(section))].sh_flags =
		SHF_COMPRESSED;
	append(&m, ".debug_abbrev", SHT_PROGBITS, abbrevs, sizeof(abbrevs));
	add_symbols(&m);
	finish(&m, 0);
	return m.fd;
}

#define NR_FUNCTIONS 120000000ULL /* of eight bytes each in the table that is searched */

/* A .gopclntab of 960 MB, whose last function is the one that holds the code. Go 1.20's layout. */
static int make_go_tables(void)
{
	struct {
		uint32_t magic;
		uint8_t pad[2], quantum, pointer;
		uint64_t nr_functions, nr_files, text, names, units, files, values, functions;
	} header = { .magic = 0xfffffff1,
		     .quantum = 1,
		     .pointer = 8,
		     .nr_functions = NR_FUNCTIONS,
		     .nr_files = 1,
		     .text = TEXT,
		     .names = 0x100,
		     .units = 0x200,
		     .files = 0x300,
		     .values = 0x400,
		     .functions = 0x1000 };
	static const uint8_t values[] = { 0, 2, 0x80, 0x20,
					  0 }; /* 0 from the entry on, for 4096 bytes */
	const uint32_t last[] = { 0, (uint32_t)(NR_FUNCTIONS * 8 + 16), TEXT_SIZE };
	const uint32_t record[] = { 0, 0, 0, 0, 0, 1, 1, 0, 0, 7, 0 };
	uint64_t size = 0x1000 + NR_FUNCTIONS * 8 + 16 + sizeof(record), at = HEAP_OFFSET;
	struct maker m;

	begin(&m);
	put(&m, at, &header, sizeof(header));
	put(&m, at + header.names, "big.function", 13);
	put(&m, at + header.files, "big.go", 7);
	put(&m, at + header.values, values, sizeof(values));
	put(&m, at + header.functions + (NR_FUNCTIONS - 1) * 8, last, sizeof(last));
	put(&m, at + header.functions + NR_FUNCTIONS * 8 + 16, record, sizeof(record));
	m.end += size;
	add_section(&m, ".gopclntab", SHT_PROGBITS, SHF_ALLOC, TABLE, at, size);
	finish(&m, size);
	return m.fd;
}

static char answered[64];
static enum symbolizer_source source;
static uint8_t less;

static void on_result(const struct symbolizer_result *result)
{
	CHECK_INT(result->nr_answers, 1);
	source = result->answers[0].source;
	less = result->answers[0].less;
	snprintf(answered, sizeof(answered), "%s", result->nr_frames ? result->frames[0].name : "");
}

static uint64_t next_key = 1;

static void check(struct supervised *s, int fd, uint64_t offset, const char *name,
		  enum symbolizer_source expected)
{
	CHECK_INT(supervised_ask(s, next_key++, fd, offset), SYMWIRE_OK);
	CHECK_STR(answered, name);
	CHECK_INT(source, expected);
	CHECK(s->elapsed_ns < DEADLINE_MS * NSEC_PER_MSEC);
}

static void test_debug_information(void)
{
	struct supervised s = { .deadline_ms = DEADLINE_MS,
				.child_memory = CHILD_SHARE,
				.on_result = on_result };
	int fd = make_debug_information();

	supervised_start(&s);
	check(&s, fd, TEXT_OFFSET, "far_function", SYMBOLIZER_DWARF);
	CHECK_INT(less, 0);
	check(&s, fd, TEXT_OFFSET + TEXT_SIZE - 1, "known_symbol", SYMBOLIZER_SYMTAB);
	supervised_stop(&s);
	close(fd);
}

static void test_bombs(void)
{
	static const uint64_t sizes[] = { 1 << 20, 1 << 30, 1ULL << 40, UINT64_MAX };
	struct supervised s = { .deadline_ms = DEADLINE_MS,
				.child_memory = CHILD_SHARE,
				.on_result = on_result };

	supervised_start(&s);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = make_bomb(sizes[i]);

		check(&s, fd, TEXT_OFFSET + TEXT_SIZE - 1, "known_symbol", SYMBOLIZER_SYMTAB);
		CHECK(less & SYMBOLIZER_LESS_FUNCTIONS); /* and it is said that more was there */
		close(fd);
	}
	supervised_stop(&s);
}

static void test_go_tables(void)
{
	struct supervised s = { .deadline_ms = DEADLINE_MS,
				.child_memory = CHILD_SHARE,
				.on_result = on_result };
	int fd = make_go_tables();

	supervised_start(&s);
	check(&s, fd, TEXT_OFFSET, "big.function", SYMBOLIZER_GOPCLNTAB);
	check(&s, fd, TEXT_OFFSET + TEXT_SIZE - 1, "big.function", SYMBOLIZER_GOPCLNTAB);
	supervised_stop(&s);
	close(fd);
}

int main(void)
{
	if (SANITIZED) {
		printf("a sanitizer's shadow does not fit into a child's memory\n");
		return TEST_SKIP;
	}
	RUN(test_debug_information);
	RUN(test_bombs);
	RUN(test_go_tables);
	return 0;
}
