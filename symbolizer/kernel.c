/*
 * Kernel addresses: the names of /proc/kallsyms, and where the kernel's own debug information is there, its lines and
 * inlined functions.
 *
 * A kernel may have been moved when it was started (KASLR), all of it by the same distance: that from _stext in its file
 * to where kallsyms shows it. What belongs to modules and to BPF programs lies elsewhere, and keeps the name that
 * kallsyms gives.
 */
#include "symbolizer/elf_file.h"
#include "symbolizer/kallsyms.h"
#include "symbolizer/result.h"

#include <errno.h>

/* The addresses that the kernel's own file is asked for. */
struct question {
	uint64_t *addresses; /* as in the file */
	size_t *found; /* whose they are, in the order of kallsyms' answer */
	size_t nr;
	struct symbolizer_result result;
};
#define QUESTION_NULL ((struct question) { .nr = 0 })

static void question_deinit(struct question *q)
{
	free(q->addresses);
	free(q->found);
	symbolizer_result_deinit(&q->result);
}
DEFINE_CLEANUP_EMBEDDED(struct question, question_deinit)

static int ask_file(struct symbolizer_file *vmlinux, const struct kallsyms_answer *names,
		    struct question *q)
{
	uint64_t stext;

	q->addresses = calloc(names->nr + 1, sizeof(*q->addresses));
	q->found = calloc(names->nr + 1, sizeof(*q->found));
	if (!q->addresses || !q->found)
		return -ENOMEM;
	if (!names->stext || !symbolizer_file_symbol(vmlinux, "_stext", &stext))
		return 0;
	for (size_t i = 0; i < names->nr; i++) {
		const struct kallsyms_found *f = &names->found[i];

		if (!f->name || f->module)
			continue;
		q->addresses[q->nr] = f->address - (names->stext - stext);
		q->found[q->nr++] = i;
	}
	return symbolizer_file_frames(vmlinux, SYMBOLIZER_VADDR, q->addresses, q->nr, &q->result);
}

/* The frames that the file gave; false: it knows no more than the name. */
static bool add_from_file(const struct question *q, size_t i, struct result *result, int *ret)
{
	const struct symbolizer_answer *a = &q->result.answers[i];

	if (a->source != SYMBOLIZER_DWARF)
		return false;
	for (uint32_t j = 0; j < a->nr_frames && !*ret; j++)
		*ret = result_add_frame(result, &q->result.frames[a->first_frame + j]);
	return true;
}

static int add_answer(const struct kallsyms_found *f, const struct question *q, size_t *next,
		      size_t i, struct result *result)
{
	struct symbolizer_answer a = { .first_frame = result_frames(result), .vaddr = f->address };
	struct symbolizer_frame frame = { .name = f->name, .system_name = f->name, .file = "" };
	bool asked = *next < q->nr && q->found[*next] == i;
	int r = 0;

	if (asked && add_from_file(q, (*next)++, result, &r)) {
		a.source = SYMBOLIZER_DWARF;
	} else if (f->name) {
		if (f->module)
			frame.file = f->module;
		a.source = SYMBOLIZER_KALLSYMS;
		r = result_add_frame(result, &frame);
	}
	if (!r)
		result_set_answer(result, f->index, &a);
	return r;
}

int symbolizer_kernel_frames(int kallsyms_fd, struct symbolizer_file *vmlinux,
			     const uint64_t *addresses, size_t nr, struct symbolizer_result *ret)
{
	_cleanup_(kallsyms_answer_deinitp) struct kallsyms_answer names = KALLSYMS_ANSWER_NULL;
	_cleanup_(question_deinitp) struct question q = QUESTION_NULL;
	_cleanup_(result_freep) struct result *result = NULL;
	size_t next = 0;
	int r = kallsyms_find(kallsyms_fd, addresses, nr, &names);

	if (!r && vmlinux)
		r = ask_file(vmlinux, &names, &q);
	if (!r)
		r = result_new(&result, nr);
	for (size_t i = 0; i < nr && !r; i++)
		r = add_answer(&names.found[i], &q, &next, i, result);
	if (r)
		return r;
	result_finish(TAKE_PTR(result), ret);
	return 0;
}
