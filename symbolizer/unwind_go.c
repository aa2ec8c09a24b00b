/* Rows of an unwind table from Go's own tables. */
#include "symbolizer/unwind_go.h"

#include <string.h>

#define WORD 8
#define PADDING_MAX 31 /* between functions: not worth a row, since nothing runs there */
#define CODE_BYTES 16 /* as many as a prologue or a signal trampoline takes */
#define SWITCH_BYTES 256 /* in which the runtime's functions change stacks */
#define CALL_BYTES 64 /* from there to the call on the other stack */
#define G_SCHED_SP 56 /* runtime.g: where a goroutine that does not run has its stack pointer */

struct rows {
	const struct unwind_go *go;
	const struct unwind_machine *machine;
	unwind_go_fn fn;
	void *userdata;
	uint64_t at; /* rows reach up to here */
	uint64_t last; /* where the last row begins */
	bool any;
	/* Of the function in hand: */
	bool saves_fp; /* a frame's first word is the caller's frame pointer */
	bool exact; /* the runtime makes a thread enter it as if by a call: the caller's pc is where it was */
	uint64_t frame_at; /* from here on, rbp points at that word; 0: not seen yet */
	uint64_t left_at; /* from here on its caller is not below it on the stack; 0: nowhere */
	uint64_t left_to; /* up to here the rule is left_by; behind it nothing is known */
	uint64_t left_by;
};

static void add_row(struct rows *rows, uint64_t address, uint64_t rule)
{
	rows->fn(address, rule, rows->userdata);
	rows->last = address;
}

/*
 * Does the function save the frame pointer where its frame begins? cmd/internal/obj/x86 has it pushed and set, and until
 * Go 1.20 stored into the frame and set. Assembly that makes itself a frame in another way leaves it as it is. Returns how
 * many bytes behind `at` the register is set, 0 if it is not.
 */
static size_t saved_fp(const struct rows *rows, uint64_t at)
{
	uint8_t code[CODE_BYTES] = { 0 };
	size_t size = sizeof(code);
	const uint8_t *bytes = gopclntab_code(rows->go->tables, at - 1, &size);

	if (!bytes)
		return 0;
	memcpy(code, bytes, size);
	if (code[0] == 0x55) /* push %rbp; mov %rsp, %rbp */
		return memcmp(code + 1, "\x48\x89\xe5", 3) ? 0 : 3;
	if (!memcmp(code + 1, "\x48\x89\x6c\x24", 4)) /* mov %rbp, x(%rsp); lea x(%rsp), %rbp */
		return memcmp(code + 6, "\x48\x8d\x6c\x24", 4) ? 0 : 10;
	if (!memcmp(code + 1, "\x48\x89\xac\x24", 4))
		return memcmp(code + 9, "\x48\x8d\xac\x24", 4) ? 0 : 16;
	return 0;
}

/* mov $15, %eax or %rax; syscall: what a signal handler returns to. */
static bool is_sigreturn(const struct rows *rows, uint64_t entry)
{
	size_t size = CODE_BYTES;
	const uint8_t *code = gopclntab_code(rows->go->tables, entry, &size);

	return (size >= 9 && !memcmp(code, "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9)) ||
	       (size >= 7 && !memcmp(code, "\xb8\x0f\0\0\0\x0f\x05", 7));
}

static bool is_named(const struct gopclntab_frame *frame, const char *name)
{
	return frame->name && !strcmp(frame->name, name);
}

/*
 * Behind the instruction that loads the stack pointer of the thread's own stack: mov 56(%reg), %rsp, and in Go 1.19's
 * systemstack mov %rbx, %rsp. 0: there is none.
 */
static uint64_t switch_in(const struct rows *rows, uint64_t entry)
{
	size_t size = SWITCH_BYTES;
	const uint8_t *code = gopclntab_code(rows->go->tables, entry, &size);

	for (size_t i = 0; i + 4 <= size; i++) {
		if (!memcmp(code + i, "\x48\x89\xdc", 3))
			return entry + i + 3;
		if ((code[i] & 0xfe) == 0x48 && code[i + 1] == 0x8b &&
		    (code[i + 2] & 0xf8) == 0x60 && code[i + 2] != 0x64 &&
		    code[i + 3] == G_SCHED_SP)
			return entry + i + 4;
	}
	return 0;
}

/* Behind the first call from there on, through a register or direct. 0: there is none. */
static uint64_t call_behind(const struct rows *rows, uint64_t at)
{
	size_t size = CALL_BYTES;
	const uint8_t *code = gopclntab_code(rows->go->tables, at, &size);

	for (size_t i = 0; i + 5 <= size; i++) {
		if (code[i] == 0xff && (code[i + 1] & 0xf8) == 0xd0)
			return at + i + 2;
		if (code[i] == 0xe8)
			return at + i + 5;
	}
	return 0;
}

/* The rule for who called from the goroutine's stack: the runtime keeps where that was left. */
static uint64_t saved_rule(const struct rows *rows)
{
	const struct unwind_rule rule = { .kind = UNWIND_SWITCH,
					  .reg = UNWIND_SWITCH_SAVED,
					  .fp = UNWIND_FP_LOST,
					  .fp_off = rows->go->tls_g,
					  .cfa_off = rows->go->m_curg,
					  .ra_off = -WORD };

	return rows->go->m_curg ? rows->machine->pack(&rule) : UNWIND_GAP;
}

/* morestack never saves the frame pointer; systemstack and asmcgocall do so since Go 1.21. */
static bool leaves_unsaved(const struct rows *rows, const struct gopclntab_frame *frame)
{
	if (is_named(frame, "runtime.morestack"))
		return true;
	return (is_named(frame, "runtime.systemstack") || is_named(frame, "runtime.asmcgocall")) &&
	       !saved_fp(rows, frame->end);
}

static void begin_function(struct rows *rows, const struct gopclntab_frame *frame)
{
	rows->saves_fp = false;
	rows->frame_at = 0;
	rows->left_at = 0;
	rows->exact =
		is_named(frame, "runtime.asyncPreempt") || is_named(frame, "runtime.sigpanic");
	if (is_named(frame, "runtime.mcall")) {
		/* It leaves its goroutine for good: that may run on another thread by then. */
		rows->left_at = switch_in(rows, frame->entry);
		rows->left_to = UINT64_MAX;
		rows->left_by = UNWIND_ROOT;
	} else if (leaves_unsaved(rows, frame)) {
		rows->left_at = switch_in(rows, frame->entry);
		rows->left_to = call_behind(rows, rows->left_at);
		rows->left_by = saved_rule(rows);
	}
}

/* The return address lies above the frame, and the frame pointer in it. */
static struct unwind_rule rule_of(const struct rows *rows, const struct gopclntab_frame *frame)
{
	struct unwind_rule rule = { .kind = UNWIND_SP,
				    .cfa_off = frame->size + WORD,
				    .ra_off = -WORD,
				    .exact = rows->exact };

	if (frame->size && rows->saves_fp) {
		rule.fp = UNWIND_FP_AT_CFA;
		rule.fp_off = -2 * WORD;
	}
	return rule;
}

/* The stack pointer is as the table says up to some place, and then the caller is elsewhere. */
static void add_leaving(struct rows *rows, const struct gopclntab_frame *frame)
{
	struct unwind_rule rule = rule_of(rows, frame);
	uint64_t from = MAX(frame->start, rows->left_at), to = MAX(from, rows->left_to);

	if (frame->start < rows->left_at)
		add_row(rows, frame->start, rows->machine->pack(&rule));
	if (from < MIN(to, frame->end))
		add_row(rows, from, rows->left_by);
	if (to < frame->end)
		add_row(rows, to, UNWIND_GAP);
}

/*
 * A function that sets its stack pointer as it likes, to go on on another stack or to align this one: its frame pointer
 * stays with its frame, if it has saved its caller's. Those that have not are left to the step over a gap.
 */
static void add_switching(struct rows *rows, const struct gopclntab_frame *frame)
{
	struct unwind_rule rule = rule_of(rows, frame);
	uint64_t to = MIN(MAX(rows->frame_at, frame->start), frame->end);

	if (!rows->saves_fp && !(frame->start == frame->entry && saved_fp(rows, frame->end))) {
		add_row(rows, frame->start, UNWIND_GAP);
		return;
	}
	if (!frame->size || to > frame->start)
		add_row(rows, frame->start, rows->machine->pack(&rule));
	if (!frame->size || to == frame->end)
		return;
	rule.kind = UNWIND_SWITCH;
	rule.cfa_off = 2 * WORD;
	add_row(rows, to, rows->machine->pack(&rule));
}

/*
 * Has the function no caller to return to? Go's own tracebacks end at a signal handler, too, but the signal frame above it
 * goes on. And who gives up its goroutine while it runs by morestack never comes back: the thread takes another one.
 */
static bool is_first(const struct gopclntab_frame *frame)
{
	if (is_named(frame, "runtime.goschedImpl") || is_named(frame, "runtime.preemptPark"))
		return true;
	return frame->top && !is_named(frame, "runtime.sigtramp");
}

static void add_frame(struct rows *rows, const struct gopclntab_frame *frame)
{
	struct unwind_rule rule;

	if (is_sigreturn(rows, frame->entry)) {
		/* A handler returns to the first byte, and is looked up by the one before. */
		add_row(rows, frame->start - (frame->start > rows->last + 1), UNWIND_SIGNAL);
	} else if (is_first(frame)) {
		add_row(rows, frame->start, UNWIND_ROOT);
	} else if (frame->size < 0 || frame->size % WORD) {
		add_row(rows, frame->start, UNWIND_GAP);
	} else if (rows->left_at) {
		add_leaving(rows, frame);
	} else if (frame->writes_sp) {
		add_switching(rows, frame);
	} else {
		rule = rule_of(rows, frame);
		add_row(rows, frame->start, rows->machine->pack(&rule));
	}
}

static void on_frame(const struct gopclntab_frame *frame, void *userdata)
{
	struct rows *rows = userdata;
	size_t bytes;

	if (frame->start > rows->at + PADDING_MAX)
		add_row(rows, rows->at, UNWIND_GAP);
	if (frame->start == frame->entry)
		begin_function(rows, frame);
	if (frame->size > 0 && !rows->frame_at) {
		bytes = saved_fp(rows, frame->start);
		rows->saves_fp = bytes;
		rows->frame_at = frame->start + bytes;
	}
	add_frame(rows, frame);
	rows->at = frame->end;
	rows->any = true;
}

/*
 * Both are in the code of systemstack. The goroutine is loaded by mov %fs:x, %rax; in position-independent programs by
 * mov $x, %rcx; mov %fs:(%rcx), %rax, as the linker leaves it. cmp x(%rbx), %rax compares it with the one that its thread runs.
 * In a library the place is known at run time only.
 */
void unwind_go_init(struct unwind_go *go, const struct gopclntab *tables)
{
	uint64_t entry = tables ? gopclntab_find(tables, "runtime.systemstack") : 0;
	size_t size = entry ? SWITCH_BYTES : 0;
	const uint8_t *code = entry ? gopclntab_code(tables, entry, &size) : NULL;

	*go = (struct unwind_go) { .tables = tables };
	for (size_t i = 0; i + 11 <= size && !go->m_curg; i++) {
		if (go->tls_g && !memcmp(code + i, "\x48\x3b\x83", 3))
			memcpy(&go->m_curg, code + i + 3, 4);
		else if (!go->tls_g && !memcmp(code + i, "\x64\x48\x8b\x04\x25", 5))
			memcpy(&go->tls_g, code + i + 5, 4);
		else if (!go->tls_g && !memcmp(code + i, "\x48\xc7\xc1", 3) &&
			 !memcmp(code + i + 7, "\x64\x48\x8b\x01", 4))
			memcpy(&go->tls_g, code + i + 3, 4);
	}
}

bool unwind_go_rows(const struct unwind_go *go, const struct unwind_machine *machine, uint64_t from,
		    uint64_t to, unwind_go_fn fn, void *userdata)
{
	struct rows rows = { .go = go,
			     .machine = machine,
			     .fn = fn,
			     .userdata = userdata,
			     .at = from,
			     .last = from };

	if (machine != &unwind_machine_x86)
		return false;
	gopclntab_each_frame(go->tables, from, to, on_frame, &rows);
	if (rows.any && rows.at < to)
		fn(rows.at, UNWIND_GAP, userdata);
	return rows.any;
}
