/* Rows of an unwind table from Go's own tables. */
#include "symbolizer/unwind_go.h"

#define WORD 8
#define PADDING_MAX 31 /* between functions: not worth a row, since nothing runs there */

struct rows {
	const struct unwind_machine *machine;
	unwind_go_fn fn;
	void *userdata;
	uint64_t at; /* rows reach up to here */
	bool any;
};

/*
 * The return address lies above the frame; where there is a frame, the caller's frame pointer is its first word
 * (cmd/internal/obj/x86). A function that sets its stack pointer itself is left to the frame pointer, which Go keeps.
 */
static uint64_t rule_of(const struct rows *rows, const struct gopclntab_frame *frame)
{
	struct unwind_rule rule = { .kind = UNWIND_SP,
				    .cfa_off = frame->size + WORD,
				    .ra_off = -WORD,
				    .fp = UNWIND_FP_SAME };

	if (frame->top)
		return UNWIND_ROOT;
	if (frame->size < 0 || frame->size % WORD)
		return UNWIND_GAP;
	if (frame->size) {
		rule.fp = UNWIND_FP_AT_CFA;
		rule.fp_off = -2 * WORD;
	}
	return rows->machine->pack(&rule);
}

static void on_frame(const struct gopclntab_frame *frame, void *userdata)
{
	struct rows *rows = userdata;

	if (frame->start > rows->at + PADDING_MAX)
		rows->fn(rows->at, UNWIND_GAP, rows->userdata);
	rows->fn(frame->start, rule_of(rows, frame), rows->userdata);
	rows->at = frame->end;
	rows->any = true;
}

bool unwind_go_rows(const struct gopclntab *go, const struct unwind_machine *machine, uint64_t from,
		    uint64_t to, unwind_go_fn fn, void *userdata)
{
	struct rows rows = { .machine = machine, .fn = fn, .userdata = userdata, .at = from };

	if (machine != &unwind_machine_x86)
		return false;
	gopclntab_each_frame(go, from, to, on_frame, &rows);
	if (rows.any && rows.at < to)
		fn(rows.at, UNWIND_GAP, userdata);
	return rows.any;
}
