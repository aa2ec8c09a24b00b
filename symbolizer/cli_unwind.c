/* Prints unwind tables. */
#include "symbolizer/cli_unwind.h"
#include "agent/base/log.h"
#include "proto/unwind_image.h"
#include "symbolizer/symbolizer.h"
#include "symbolizer/unwind_rules.h"

#include <fcntl.h>
#include <inttypes.h>

static const char *const sources[] = { "nothing",     ".eh_frame by its search table",
				       ".eh_frame",   ".debug_frame",
				       "Go's tables", "the code" };
_Static_assert(ARRAY_SIZE(sources) == UNWIND_SOURCE_NR, "each has a name");

static const char *const bounds[] = {
	"addresses", "code to be searched", "data to be searched", "steps", "rounds", "memory"
};
_Static_assert(ARRAY_SIZE(bounds) == UNWIND_BOUND_NR, "each has a name");

static void print_header(const struct unwind_header *h)
{
	printf("# from %s: %u rows in %u groups, %u bytes", sources[h->source], h->nr_rows,
	       h->nr_groups, h->size);
	if (h->nr_rows)
		printf(", %.2f a row", (double)h->size / h->nr_rows);
	printf("\n# %u FDEs, %u broken, %u outside, %u rows unsupported, %u rows and %u groups lost\n",
	       h->nr_fdes, h->bad_fdes, h->outside_fdes, h->unsupported_rows, h->lost_rows,
	       h->lost_groups);
	if (h->derived_rows)
		printf("# %u rows derived from code that nothing describes\n", h->derived_rows);
	for (int i = 0; i < UNWIND_BOUND_NR; i++) {
		if (h->code_bounds[i])
			printf("# following code came up against a bound of %s: %u\n", bounds[i],
			       h->code_bounds[i]);
	}
}

static void print_cfa(const struct unwind_machine *m, const struct unwind_rule *rule)
{
	static const bool deref[UNWIND_KIND_NR] = { [UNWIND_DEREF_SP] = true,
						    [UNWIND_DEREF_FP] = true,
						    [UNWIND_DEREF_REG] = true,
						    [UNWIND_DEREF_INDEXED] = true };
	uint64_t reg = rule->reg;

	if (rule->kind == UNWIND_SP || rule->kind == UNWIND_DEREF_SP || rule->kind == UNWIND_PLT ||
	    rule->kind == UNWIND_DEREF_INDEXED)
		reg = m->sp;
	else if (rule->kind == UNWIND_FP || rule->kind == UNWIND_DEREF_FP ||
		 rule->kind == UNWIND_SWITCH)
		reg = m->registers.fp;
	printf(deref[rule->kind] ? "cfa=*(%s%+d" : "cfa=%s%+d", m->names[reg], rule->cfa_off);
	if (rule->kind == UNWIND_DEREF_INDEXED)
		printf("+8*%s", m->names[rule->reg]);
	if (deref[rule->kind])
		printf(")%+d", rule->add);
	if (rule->kind == UNWIND_PLT)
		printf("+8*(pc%%16>=%d)", rule->add);
	if (rule->kind == UNWIND_SWITCH)
		printf(" on any stack");
}

static void print_registers(const struct unwind_machine *m, const struct unwind_rule *rule)
{
	const char *fp = m->names[m->registers.fp];

	if (rule->fp == UNWIND_FP_AT_CFA)
		printf(" %s=*(cfa%+d)", fp, rule->fp_off);
	else if (rule->fp == UNWIND_FP_AT_FP)
		printf(" %s=*(%s%+d)", fp, fp, rule->fp_off);
	else if (rule->fp == UNWIND_FP_LOST)
		printf(" %s=?", fp);
	if (rule->ra == UNWIND_RA_IN_REG)
		printf(" ra=%s", m->names[rule->ra_reg]);
	else
		printf(" ra=*(cfa%+d)", rule->ra_off);
	if (rule->ra_signed)
		printf(" signed");
	if (rule->exact)
		printf(" exact");
}

static void print_row(const struct unwind_machine *m, uint64_t offset, uint64_t packed)
{
	static const char *const bare[] = { "gap", "root", "unsupported", "signal" };
	struct unwind_rule rule = m->unpack(packed);

	printf("%08" PRIx64 " ", offset);
	if (rule.kind <= UNWIND_SIGNAL) {
		printf("%s", bare[rule.kind]);
	} else if (rule.kind == UNWIND_SWITCH && rule.reg == UNWIND_SWITCH_SAVED) {
		printf("saved by Go: g at fs%+d, curg at m+%d", rule.fp_off, rule.cfa_off);
	} else {
		print_cfa(m, &rule);
		print_registers(m, &rule);
	}
	putchar('\n');
}

static void print_image(const void *image)
{
	const struct unwind_header *header = image;
	const struct unwind_machine *machine = unwind_machine(header->machine);
	struct unwind_iterator it = UNWIND_ITERATOR_NULL;
	uint64_t offset, rule, last = UNWIND_GAP;

	print_header(header);
	while (unwind_image_next(image, &it, &offset, &rule)) {
		if (rule != last) /* rows that only begin a group */
			print_row(machine, offset, rule);
		last = rule;
	}
}

/* Opens the file, or gives it its debug file; descriptors stay open as long as the program runs. */
static int open_elf(const char *path, bool debug, struct symbolizer_file **file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;
	struct err err = ERR_NULL;

	if (fd < 0) {
		log_error("cannot open %s: %s", path, err_str(err_last()));
		return -1;
	}
	if (debug)
		r = symbolizer_file_set_supplement(*file, SYMBOLIZER_SUPPLEMENT_DEBUG, fd, &err);
	else
		r = symbolizer_file_new(file, fd, &err);
	if (r)
		log_error("%s: %s", path, r < 0 && !err.text[0] ? err_str(r) : err.text);
	return r;
}

int cli_unwind(const char *path, const char *debug_path)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(buf_deinitp) struct buf image = BUF_NULL;
	int r;

	if (open_elf(path, false, &file) || (debug_path && open_elf(debug_path, true, &file)))
		return 1;
	buf_init(&image, UNWIND_IMAGE_BYTES_MAX);
	r = symbolizer_file_unwind(file, &image);
	if (r) {
		log_error("%s: %s", path,
			  r == SYMBOLIZER_E_NOT_ELF ? "not a 64-bit program of x86-64 or arm64"
						    : err_str(r));
		return 1;
	}
	if (!unwind_image_check(image.data, image.len)) {
		log_error("%s: the table does not pass its own check", path);
		return 1;
	}
	print_image(image.data);
	return 0;
}
