/* Kernel addresses, from the text of /proc/kallsyms: functions of the kernel, its modules and BPF programs. */
#include "agent/base/buf.h"
#include "agent/base/sys.h"
#include "symbolizer/result.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define TEXT_MAX (128u << 20) /* a kernel with all its modules has some 20 MB */

struct kernel_symbol {
	uint64_t address;
	uint32_t name, module; /* offsets into text; module 0: the kernel itself */
};

struct symbolizer_kallsyms {
	struct buf text; /* NULs put behind names and modules */
	struct kernel_symbol *symbols;
	size_t nr, size;
};

static int push(struct symbolizer_kallsyms *k, const struct kernel_symbol *symbol)
{
	if (k->nr == k->size) {
		size_t size = k->size ? 2 * k->size : 65536;
		struct kernel_symbol *more = realloc(k->symbols, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		k->symbols = more;
		k->size = size;
	}
	k->symbols[k->nr++] = *symbol;
	return 0;
}

/* "ffffffff81000000 T name\t[module]": true for a function with an address. */
static bool parse_line(char *text, char *line, struct kernel_symbol *ret)
{
	char *end, *name, *tab;
	uint64_t address = strtoull(line, &end, 16);

	*ret = (struct kernel_symbol) { .address = address };
	if (end == line || *end != ' ' || !address || !strchr("tTwW", end[1]) || !end[1] ||
	    end[2] != ' ')
		return false;
	name = end + 3;
	tab = strchr(name, '\t');
	if (tab) {
		*tab = '\0';
		ret->module = (uint32_t)(tab + 1 - text);
	}
	ret->name = (uint32_t)(name - text);
	return *name != '\0';
}

static int compare(const void *a, const void *b)
{
	const struct kernel_symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

int symbolizer_kallsyms_new(struct symbolizer_kallsyms **ret, int fd, struct err *err)
{
	_cleanup_(symbolizer_kallsyms_freep) struct symbolizer_kallsyms *k = calloc(1, sizeof(*k));
	char *save = NULL;
	int r;

	if (!k)
		return -ENOMEM;
	buf_init(&k->text, TEXT_MAX);
	r = buf_addc(&k->text, '\n'); /* so that offset 0 means "none" */
	if (!r)
		r = sys_read_all(fd, &k->text);
	if (r < 0)
		return err_errno(err, r, "cannot read the kernel's symbols");
	for (char *line = strtok_r(k->text.data + 1, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct kernel_symbol symbol;

		r = parse_line(k->text.data, line, &symbol) ? push(k, &symbol) : 0;
		if (r < 0)
			return r;
	}
	if (k->nr)
		qsort(k->symbols, k->nr, sizeof(*k->symbols), compare);
	*ret = TAKE_PTR(k);
	return 0;
}

struct symbolizer_kallsyms *symbolizer_kallsyms_free(struct symbolizer_kallsyms *k)
{
	if (!k)
		return NULL;
	buf_deinit(&k->text);
	free(k->symbols);
	free(k);
	return NULL;
}

static const struct kernel_symbol *find(const struct symbolizer_kallsyms *k, uint64_t address)
{
	size_t lo = 0, hi = k->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->symbols[mid].address <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* Of several names for one address the first that the kernel lists. */
	while (lo > 1 && k->symbols[lo - 2].address == k->symbols[lo - 1].address)
		lo--;
	return lo ? &k->symbols[lo - 1] : NULL;
}

int symbolizer_kallsyms_frames(struct symbolizer_kallsyms *k, const uint64_t *addresses, size_t nr,
			       struct symbolizer_result *ret)
{
	_cleanup_(result_freep) struct result *result = NULL;
	int r = result_new(&result, nr);

	for (size_t i = 0; i < nr && !r; i++) {
		struct symbolizer_answer a = { .first_frame = result_frames(result),
					       .vaddr = addresses[i] };
		const struct kernel_symbol *symbol = find(k, addresses[i]);
		const char *text = k->text.data;

		if (symbol) {
			struct symbolizer_frame frame = { .name = text + symbol->name,
							  .system_name = text + symbol->name,
							  .file = symbol->module
									  ? text + symbol->module
									  : "" };

			r = result_add_frame(result, &frame);
			a.source = SYMBOLIZER_KALLSYMS;
		}
		result_set_answer(result, i, &a);
	}
	if (r)
		return r;
	result_finish(TAKE_PTR(result), ret);
	return 0;
}
