/* Rows from what is known of the stack. */
#include "symbolizer/unwind_code.h"
#include "symbolizer/code_flow.h"

#include <errno.h>
#include <string.h>

#define CONTEXT_ENTRY_BYTES 3

struct unwind_code {
	struct code_starts *starts;
	struct code_flow *flow;
};

int unwind_code_new(struct unwind_code **ret, struct code_starts *starts, uint32_t *bounds)
{
	_cleanup_(unwind_code_freep) struct unwind_code *code = calloc(1, sizeof(*code));
	int r;

	if (!code)
		return -ENOMEM;
	code->starts = starts;
	r = code_flow_new(&code->flow, starts, bounds);
	if (r)
		return r;
	*ret = TAKE_PTR(code);
	return 0;
}

struct unwind_code *unwind_code_free(struct unwind_code *code)
{
	if (!code)
		return NULL;
	code_flow_free(code->flow);
	free(code);
	return NULL;
}

struct emitter {
	unwind_code_fn fn;
	void *userdata;
	uint64_t rule;
};

static void emit(struct emitter *e, uint64_t address, uint64_t rule)
{
	if (rule == e->rule)
		return;
	e->fn(address, rule, e->userdata);
	e->rule = rule;
}

/* Is what was not reached there to align what comes next? Then it is not worth a row, since nothing runs there. */
static bool is_padding(const uint8_t *code, uint32_t size)
{
	struct x86_insn insn;

	if (size > UNWIND_PADDING_MAX)
		return false;
	for (uint32_t at = 0; at < size; at += insn.size) {
		if (!code[at])
			insn.size = 1;
		else if (!x86_decode(code + at, size - at, &insn) ||
			 !(insn.is_nop || insn.flow == X86_STOP))
			return false;
	}
	return true;
}

/*
 * push %rbp; jmp *%rbx: a coroutine's first code. The return address is what whoever made the coroutine left in %rbp, the
 * function in %rbx, which no caller hands over: nobody called. Mostly it has no symbol.
 */
static bool is_context_entry(const uint8_t *code, size_t size)
{
	return size >= CONTEXT_ENTRY_BYTES && !memcmp(code, "\x55\xff\xe3", CONTEXT_ENTRY_BYTES);
}

/* The rows of a part that was followed. */
static void emit_rows(struct emitter *e, const struct code_state *states, const uint8_t *bytes,
		      uint64_t from, uint32_t size)
{
	uint32_t end = 0; /* of what was reached */

	for (uint32_t at = 0; at < size;) {
		const struct code_state *s = &states[at];
		bool context = is_context_entry(bytes + at, size - at);
		struct x86_insn insn;

		if (!context && (!s->known || !x86_decode(bytes + at, size - at, &insn))) {
			at++;
			continue;
		}
		if (!end || !is_padding(bytes + end, at - end))
			emit(e, from + end, UNWIND_GAP);
		if (context) {
			/* What the function returns to is right behind, and is looked up by the byte before. */
			emit(e, from + at, UNWIND_ROOT);
			at += CONTEXT_ENTRY_BYTES;
		} else if (s->start && x86_is_sigreturn(bytes + at, size - at)) {
			/* A handler returns to its first byte, and is looked up by the one before. */
			emit(e, from + at - !!at, UNWIND_SIGNAL);
			at += X86_SIGRETURN_BYTES;
		} else {
			emit(e, from + at, code_state_rule(s));
			at += insn.size;
		}
		end = at;
	}
	emit(e, from + end, UNWIND_GAP);
}

static void add_part(struct unwind_code *c, struct emitter *e, const uint8_t *bytes, uint64_t from,
		     uint32_t size)
{
	if (code_flow_follow(c->flow, bytes, from, size)) {
		emit_rows(e, code_flow_states(c->flow), bytes, from, size);
		return;
	}
	emit(e, from, UNWIND_UNSUPPORTED);
	emit(e, from + size, UNWIND_GAP);
}

/* How much is followed in one go: up to a function, if the rest is too long, so that none is cut. */
static uint32_t part_bytes(const struct unwind_code *c, uint64_t from, uint64_t to)
{
	uint64_t end, at, cut;
	enum code_start how;

	if (to - from <= CODE_FLOW_BYTES_MAX)
		return (uint32_t)(to - from);
	end = cut = from + CODE_FLOW_BYTES_MAX;
	at = end - CODE_FLOW_BYTES_MAX / 8;
	for (; code_starts_next(c->starts, at, end, &at, &how); at++) {
		if (how != CODE_START_POINTED)
			cut = at;
	}
	return (uint32_t)(cut - from);
}

void unwind_code_rows(struct unwind_code *c, const uint8_t *bytes, uint64_t from, uint64_t to,
		      unwind_code_fn fn, void *userdata)
{
	struct emitter e = { .fn = fn, .userdata = userdata, .rule = UINT64_MAX };
	uint64_t begin = from, start;
	enum code_start how;

	code_starts_prepare(c->starts, to - from);
	emit(&e, from, UNWIND_GAP);
	/* From a start on: what is before it may be megabytes of data. */
	while (from < to && code_starts_next(c->starts, from, to, &start, &how)) {
		uint32_t size = part_bytes(c, start, to);

		add_part(c, &e, bytes + (start - begin), start, size);
		from = start + size;
	}
}
