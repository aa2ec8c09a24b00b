/* Rows of our own unwind tables, in other layouts. */
#include <linux/types.h>

#include "bpf/record.h"
#include "tests/bench/walks.h"

#include "bpf/walks.skel.h"

#include "proto/unwind_image.h"
#include "symbolizer/symbolizer.h"
#include "tests/bench/row_layouts.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE_BITS 16
#define ADDRESS_BITS 47
#define RULE_BUCKETS (2 * ROWS_RULES_MAX)

struct file {
	dev_t dev;
	ino_t ino;
};

static struct file files[ROWS_FILES_MAX];
static uint64_t nr_files;

/* Rules that have a number: by open addressing, in the order of their numbers in the map. */
static struct {
	uint64_t rule;
	uint32_t number; /* + 1; 0: free */
} rules[RULE_BUCKETS];
static uint32_t nr_rules;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void put(int map, const void *key, const void *value, const char *what)
{
	if (bpf_map_update_elem(map, key, value, BPF_ANY))
		die(what);
}

static uint16_t rule_number(struct walks_bpf *walks, uint64_t rule)
{
	size_t i = (rule * 0x9e3779b97f4a7c15u >> 32) % RULE_BUCKETS;

	while (rules[i].number && rules[i].rule != rule)
		i = (i + 1) % RULE_BUCKETS;
	if (!rules[i].number) {
		if (nr_rules == ROWS_RULES_MAX)
			die("more rules than 65536");
		put(bpf_map__fd(walks->maps.rows_rules), &nr_rules, &rule, "rule");
		rules[i].rule = rule;
		rules[i].number = ++nr_rules;
	}
	return (uint16_t)(rules[i].number - 1);
}

/* Creates an array with these elements, and puts it into the outer map under the file's number. */
static void put_array(struct bpf_map *outer, uint64_t file, const void *elements, size_t size,
		      uint32_t nr, uint32_t room, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rows", sizeof(uint32_t), (uint32_t)size, room,
				&options);
	uint32_t *keys = calloc(nr, sizeof(*keys)), count = nr;

	for (uint32_t i = 0; keys && i < nr; i++)
		keys[i] = i;
	if (fd < 0 || !keys || bpf_map_update_batch(fd, keys, elements, &count, NULL))
		die("rows");
	put(bpf_map__fd(outer), &file, &fd, "rows of a file");
	free(keys);
	close(fd);
}

static void put_rows4(struct walks_bpf *walks, uint64_t file, const struct row4 *rows, uint32_t nr,
		      uint32_t bits)
{
	struct bpf_map *outer = bits == ROWS4_SMALL_BITS    ? walks->maps.rows4_smalls
				: bits == ROWS4_MEDIUM_BITS ? walks->maps.rows4_mediums
							    : walks->maps.rows4_larges;

	put_array(outer, file, rows, sizeof(*rows), nr, 1u << bits, 0);
}

static void put_page(struct walks_bpf *walks, const struct rows_page_key *key,
		     const struct rows_page *page)
{
	if (page->nr)
		put(bpf_map__fd(walks->maps.rows_pages), key, page, "page");
}

/* The rows of an image in both layouts, and where each page's begin: its first row is at its beginning. */
static void put_image(struct walks_bpf *walks, uint64_t file, const void *image)
{
	const struct unwind_header *header = image;
	uint32_t nr = 0, room = header->nr_rows + header->nr_groups;
	uint32_t bits = room <= 1u << ROWS4_SMALL_BITS    ? ROWS4_SMALL_BITS
			: room <= 1u << ROWS4_MEDIUM_BITS ? ROWS4_MEDIUM_BITS
							  : ROWS4_LARGE_BITS;
	struct unwind_iterator it = UNWIND_ITERATOR_NULL;
	struct rows_page_key key = { .file = file };
	struct rows_page page = { .bits = (uint16_t)bits };
	struct row4 *rows4 = calloc(room, sizeof(*rows4));
	struct row8 *rows8 = calloc(room, sizeof(*rows8));
	uint64_t offset, rule;

	if (!rows4 || !rows8 || room > 1u << ROWS4_LARGE_BITS)
		die("rows");
	while (nr < room && unwind_image_next(image, &it, &offset, &rule)) {
		if (offset >> PAGE_BITS != key.page) {
			put_page(walks, &key, &page);
			page.first = nr;
			page.nr = 0;
			key.page = offset >> PAGE_BITS;
		}
		page.nr++;
		rows4[nr] =
			(struct row4) { .low = (uint16_t)offset, .rule = rule_number(walks, rule) };
		rows8[nr++] = (struct row8) { .low = (uint16_t)offset,
					      .rule = rule & UNWIND_RULE_WIDE ? UNWIND_UNSUPPORTED
									      : (uint32_t)rule };
	}
	put_page(walks, &key, &page);
	put_rows4(walks, file, rows4, nr, bits);
	put_array(walks->maps.rows8, file, rows8, sizeof(*rows8), nr, nr, BPF_F_INNER_MAP);
	free(rows4);
	free(rows8);
}

/* The number of an open file, its rows put into the maps when it is new. 0: it has none. */
static uint64_t file_number(struct walks_bpf *walks, int fd)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(buf_deinitp) struct buf image = BUF_NULL;
	struct stat st;
	uint64_t i = 0;

	if (fstat(fd, &st))
		return 0;
	while (i < nr_files && (files[i].dev != st.st_dev || files[i].ino != st.st_ino))
		i++;
	if (i < nr_files)
		return i + 1;
	buf_init(&image, UNWIND_IMAGE_BYTES_MAX);
	if (nr_files == ROWS_FILES_MAX || symbolizer_file_new(&file, fd, NULL) ||
	    symbolizer_file_unwind(file, &image) ||
	    !((const struct unwind_header *)image.data)->nr_groups)
		return 0;
	files[nr_files++] = (struct file) { .dev = st.st_dev, .ino = st.st_ino };
	put_image(walks, nr_files, image.data);
	return nr_files;
}

/* A range of addresses, in as few prefixes as cover it. */
static void put_mapping(struct walks_bpf *walks, unsigned int pid, uint64_t start, uint64_t end,
			const struct rows_mapping *mapping)
{
	while (start < end) {
		unsigned int bits = 12;

		while (bits < ADDRESS_BITS && !(start & ((2ull << bits) - 1)) &&
		       start + (2ull << bits) <= end)
			bits++;
		put(bpf_map__fd(walks->maps.rows_mappings),
		    &(struct rows_address) { .prefix_len = 32 + 64 - bits,
					     .tgid = htonl(pid),
					     .addr = htobe64(start) },
		    mapping, "mapping");
		start += 1ull << bits;
	}
}

void row_layouts_fill(struct walks_bpf *walks, unsigned int pid)
{
	char line[512], path[64], permissions[8];
	uint64_t start, end, offset;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		die(path);
	while (fgets(line, sizeof(line), maps)) {
		_cleanup_(closep) int fd = -1;
		struct rows_mapping mapping;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64, &start, &end, permissions,
			   &offset) != 4 ||
		    permissions[2] != 'x')
			continue;
		snprintf(path, sizeof(path), "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, pid, start,
			 end);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		mapping.file = fd >= 0 ? file_number(walks, fd) : 0;
		mapping.bias = start - offset;
		if (mapping.file)
			put_mapping(walks, pid, start, end, &mapping);
	}
	fclose(maps);
}
