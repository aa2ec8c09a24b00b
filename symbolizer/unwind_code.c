/* Follows the stack pointer through code that nothing describes. */
#include "symbolizer/unwind_code.h"
#include "symbolizer/x86_insn.h"

#include "bpf/unwind_rule_x86.h"

#include <errno.h>
#include <string.h>

#define WORD 8
#define PADDING_MAX 15 /* between functions: not worth a row, since nothing runs there */
#define PART_BYTES_MAX (2u << 20) /* in one go: what lies behind is another part */
#define WAITING_MAX 16384 /* ways that are to be followed yet */
#define STEPS_A_BYTE 8 /* instructions, in the mean: all of them are read a few times over */
#define ROUNDS_MAX 8 /* each finds calls that do not return */
#define WORDS_MAX 32000 /* of a frame: as far as an int16_t reaches */
#define SIGRETURN_BYTES 9
#define FUNCTION_ALIGNMENT 16
#define LOOP_BYTES 1024

enum fp_kind {
	FP_CALLERS = 0, /* as the caller left it */
	FP_FRAME = 1, /* CFA - fp words */
	FP_OTHER = 2,
};

/* Before an instruction. Distances from the CFA down, in words. */
struct state {
	int16_t sp, fp;
	int16_t saved; /* where the caller's frame pointer is; 0: nowhere */
	uint16_t known : 1; /* it is reached */
	uint16_t sp_lost : 1;
	uint16_t fp_kind : 2;
	uint16_t root : 1; /* nobody called */
	uint16_t behind_syscall : 1;
	uint16_t in_reg : 1; /* the return address was popped into reg */
	uint16_t reg : 4;
	/* Of the place, not of what is known there: */
	uint16_t start : 1; /* of a function … */
	uint16_t sure : 1; /* … whatever runs into it */
	uint16_t behind_call : 1; /* reached by a call that returned, if it does */
	uint16_t no_return : 1; /* it does not */
};
_Static_assert(sizeof(struct state) == 8, "one for each byte of code");

struct unwind_code {
	struct code_starts *starts;
	struct state states[PART_BYTES_MAX];
	uint32_t waiting[WAITING_MAX];
	size_t nr_waiting;
	/* The part in hand: */
	const uint8_t *bytes;
	uint64_t from;
	uint32_t size;
	uint64_t steps_left;
	bool again; /* a call was found not to return: what was concluded from it is wrong */
	bool given_up; /* it took more steps than the bound */
};

static const struct state entry_state = { .sp = 1, .known = true };

int unwind_code_new(struct unwind_code **ret, struct code_starts *starts)
{
	struct unwind_code *code =
		calloc(1, sizeof(*code)); /* pages are used as far as a part is long */

	if (!code)
		return -ENOMEM;
	code->starts = starts;
	*ret = code;
	return 0;
}

struct unwind_code *unwind_code_free(struct unwind_code *code)
{
	free(code);
	return NULL;
}

/* Moves by bytes: down is positive. */
static void move_sp(struct state *s, int64_t bytes)
{
	int64_t sp = s->sp + bytes / WORD;

	if (s->sp_lost)
		return;
	/* Above the return address there is nothing of a function's own. */
	if (bytes % WORD || sp < 0 || sp > WORDS_MAX)
		s->sp_lost = true;
	else
		s->sp = (int16_t)sp;
}

static void lose_fp(struct state *s)
{
	s->fp_kind = FP_OTHER;
}

static void push(struct state *s, uint8_t reg)
{
	if (s->sp == 0 && !s->sp_lost) {
		/* Only the return address that was popped goes there. */
		if (!s->in_reg || reg != s->reg)
			s->sp_lost = true;
		s->in_reg = false;
	}
	move_sp(s, WORD);
	if (reg == X86_RBP && s->fp_kind == FP_CALLERS && !s->saved && !s->sp_lost)
		s->saved = s->sp;
}

static void load_fp(struct state *s, int64_t place)
{
	s->fp_kind = s->saved && !s->sp_lost && place == s->saved ? FP_CALLERS : FP_OTHER;
}

static void pop(struct state *s, uint8_t reg)
{
	if (reg == X86_RBP)
		load_fp(s, s->sp);
	if (s->sp == 1 && !s->sp_lost) {
		s->in_reg = reg < X86_NO_REG;
		s->reg = reg & 15;
	}
	move_sp(s, -WORD);
	if (!s->sp_lost && s->saved > s->sp)
		s->saved = 0;
}

static void set_frame(struct state *s, int64_t bytes)
{
	int64_t fp = s->sp - bytes / WORD;

	if (s->sp_lost || bytes % WORD || fp < -WORDS_MAX || fp > WORDS_MAX) {
		lose_fp(s);
		return;
	}
	s->fp_kind = FP_FRAME;
	s->fp = (int16_t)fp;
}

static void sp_from_fp(struct state *s, int64_t bytes)
{
	s->sp_lost = s->fp_kind != FP_FRAME;
	s->sp = s->fp;
	move_sp(s, -bytes);
	if (!s->sp_lost && s->saved > s->sp)
		s->saved = 0;
}

static void zero_fp(struct state *s)
{
	/*
	 * Nobody who returns does this to a register of the caller's that he has not saved: it is the first thing of a
	 * new thread, behind the system call that made it.
	 */
	if (s->behind_syscall && s->fp_kind == FP_CALLERS && !s->saved)
		s->root = true;
	lose_fp(s);
}

static void save_fp(struct state *s, int64_t bytes)
{
	int64_t place = s->sp - bytes / WORD;

	if (bytes % WORD || s->sp_lost || place < 2 || place > WORDS_MAX)
		return;
	if (s->fp_kind == FP_CALLERS && !s->saved)
		s->saved = (int16_t)place;
	else if (place == s->saved && s->fp_kind != FP_CALLERS)
		s->saved = 0; /* written over */
}

static void apply(struct state *s, const struct x86_insn *insn)
{
	switch (insn->effect) {
	case X86_PUSH:
		push(s, insn->reg);
		break;
	case X86_POP:
		pop(s, insn->reg);
		break;
	case X86_MOVE_SP:
		move_sp(s, -(int64_t)insn->value);
		break;
	case X86_SP_FROM_FP:
		sp_from_fp(s, insn->value);
		break;
	case X86_FP_FROM_SP:
		set_frame(s, insn->value);
		break;
	case X86_LEAVE:
		sp_from_fp(s, 0);
		pop(s, X86_RBP);
		break;
	case X86_SAVE_FP:
		save_fp(s, insn->value);
		break;
	case X86_LOAD_FP:
		load_fp(s, s->sp - insn->value / WORD);
		break;
	case X86_ZERO_FP:
		zero_fp(s);
		break;
	case X86_LOSE_FP:
		lose_fp(s);
		break;
	case X86_LOSE_SP:
		s->sp_lost = true;
		break;
	case X86_SYSCALL:
		s->behind_syscall = true;
		break;
	default:
		break;
	}
}

/* Do they say where the caller is, and something else each? */
static bool disagree(const struct state *a, const struct state *b)
{
	return a->sp_lost != b->sp_lost || (!a->sp_lost && a->sp != b->sp) || a->root != b->root ||
	       a->in_reg != b->in_reg;
}

/* What holds by both ways. True: it is less than `at` said. */
static bool meet(struct state *at, const struct state *from)
{
	struct state before = *at;

	if (disagree(at, from)) {
		at->sp_lost = true;
		at->root &= from->root;
		at->in_reg = false;
	}
	if (at->fp_kind != from->fp_kind || (at->fp_kind == FP_FRAME && at->fp != from->fp))
		at->fp_kind = FP_OTHER;
	if (at->saved != from->saved)
		at->saved = 0;
	at->behind_syscall &= from->behind_syscall;
	return memcmp(&before, at, sizeof(before));
}

static void wait_for(struct unwind_code *c, uint32_t at)
{
	if (c->nr_waiting == WAITING_MAX) {
		c->given_up = true;
		return;
	}
	c->waiting[c->nr_waiting++] = at;
}

/* mov $15, %eax or %rax; syscall: what a signal handler returns to. */
static bool is_sigreturn(const struct unwind_code *c, uint32_t at)
{
	const uint8_t *code = c->bytes + at;

	return c->size - at >= SIGRETURN_BYTES &&
	       (!memcmp(code, "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9) ||
		!memcmp(code, "\xb8\x0f\0\0\0\x0f\x05", 7));
}

/*
 * Addresses that are taken are mostly those of labels, by tables of jumps. A function that saves registers or makes itself
 * a frame is known by that.
 */
static bool looks_begun(const struct unwind_code *c, uint32_t at)
{
	struct x86_insn insn;

	if (is_sigreturn(c, at))
		return true;
	if (!x86_decode(c->bytes + at, c->size - at, &insn))
		return false;
	if (insn.effect == X86_PUSH) /* rbx, rbp, r12 to r15: what a caller wants to find again */
		return insn.reg == 3 || insn.reg == X86_RBP || (insn.reg >= 12 && insn.reg < 16);
	return insn.is_endbr || (insn.effect == X86_MOVE_SP && insn.value < 0);
}

/* Is there a jump back to it? Compilers align the heads of loops, as they do functions. */
static bool is_loop(const struct unwind_code *c, uint64_t head)
{
	struct x86_insn insn;

	for (uint64_t at = head; at < MIN(head + LOOP_BYTES, (uint64_t)c->size); at += insn.size) {
		if (!x86_decode(c->bytes + at, c->size - at, &insn))
			return false;
		if (insn.has_target && insn.flow != X86_CALL && at + (uint64_t)insn.target == head)
			return true;
	}
	return false;
}

/*
 * In a stripped file: is what lies behind a call probably another function, which is not known since nobody calls it? That
 * is what a call that does not return is followed by: padding, or what only functions begin with.
 */
static bool ends_function(const struct unwind_code *c, uint64_t where)
{
	struct x86_insn insn;
	bool padded = false;

	while (!code_starts_complete(c->starts) && where < c->size &&
	       x86_decode(c->bytes + where, c->size - where, &insn)) {
		if (!insn.is_nop)
			return padded ? !is_loop(c, where)
				      : (c->from + where) % FUNCTION_ALIGNMENT == 0 &&
						looks_begun(c, (uint32_t)where);
		where += insn.size;
		padded = true;
	}
	return padded;
}

/*
 * A way to an instruction: behind a call, or otherwise. If they disagree the call does not return, and what is behind it
 * is another's.
 */
static void reach(struct unwind_code *c, uint64_t where, struct state s, bool behind_call)
{
	struct state *at;

	if (where >= c->size)
		return;
	at = &c->states[where];
	if (at->sure || (behind_call && at->no_return))
		return;
	if (at->known && disagree(at, &s) && at->behind_call != behind_call) {
		at->no_return = true;
		c->again |= at->behind_call;
		if (behind_call)
			return;
		at->known = false;
	}
	if (!at->known) {
		s.known = true;
		s.start = s.sure = false;
		s.behind_call = behind_call;
		s.no_return = at->no_return;
		*at = s;
		wait_for(c, (uint32_t)where);
	} else {
		at->behind_call &= behind_call;
		if (meet(at, &s))
			wait_for(c, (uint32_t)where);
	}
}

/* One instruction, and on to those that may be next. */
static void step(struct unwind_code *c, uint32_t at)
{
	struct state s = c->states[at];
	struct x86_insn insn;

	if (!x86_decode(c->bytes + at, c->size - at, &insn))
		return;
	apply(&s, &insn);
	if (insn.has_target && insn.flow != X86_CALL)
		reach(c, at + (uint64_t)insn.target, s, false);
	if (insn.flow == X86_CALL && ends_function(c, at + insn.size))
		return;
	if (insn.flow == X86_NEXT || insn.flow == X86_BRANCH || insn.flow == X86_CALL)
		reach(c, at + insn.size, s, insn.flow == X86_CALL);
}

static void follow(struct unwind_code *c)
{
	while (c->nr_waiting && !c->given_up) {
		c->given_up = !c->steps_left--;
		step(c, c->waiting[--c->nr_waiting]);
	}
}

static void begin_function(struct unwind_code *c, uint32_t at, enum code_start how)
{
	struct state s = entry_state;

	s.start = true;
	s.sure = how != CODE_START_POINTED;
	s.root = how == CODE_START_ENTRY;
	s.no_return = c->states[at].no_return;
	c->states[at] = s;
}

static bool next_start(const struct unwind_code *c, uint32_t from, uint32_t *ret,
		       enum code_start *ret_how)
{
	uint64_t address;

	if (from >= c->size ||
	    !code_starts_next(c->starts, c->from + from, c->from + c->size, &address, ret_how))
		return false;
	*ret = (uint32_t)(address - c->from);
	return true;
}

/* Those that are sure, all at once; then those that are not, unless they are part of a function by then. */
static void follow_functions(struct unwind_code *c)
{
	enum code_start how;
	uint32_t at;

	for (at = 0; next_start(c, at, &at, &how); at++) {
		if (how != CODE_START_POINTED)
			begin_function(c, at, how);
	}
	for (at = 0; next_start(c, at, &at, &how); at++) {
		if (how != CODE_START_POINTED)
			wait_for(c, at);
		follow(c);
	}
	for (at = 0; next_start(c, at, &at, &how); at++) {
		if (how != CODE_START_POINTED || c->states[at].known || !looks_begun(c, at))
			continue;
		begin_function(c, at, how);
		wait_for(c, at);
		follow(c);
	}
}

/* The indirect jumps of a function, of which one has a table. */
struct table_jump {
	bool found, differ;
	struct state state;
};

static bool is_entry(const struct state *s)
{
	return s->sp == entry_state.sp && s->fp_kind == FP_CALLERS && !s->sp_lost;
}

/* Those that jump out of the function have its frame removed. */
static void add_jump(struct table_jump *jump, const struct state *s)
{
	if (!jump->found || is_entry(&jump->state)) {
		jump->state = *s;
		jump->found = true;
	} else if (!is_entry(s) && disagree(s, &jump->state)) {
		jump->differ = true;
	}
}

/* What only jumps by a table lead to, in a function that has one. */
static void follow_tables(struct unwind_code *c)
{
	struct table_jump jump = { .found = false };
	bool padded = false;

	for (uint32_t at = 0; at < c->size && !c->given_up;) {
		struct state *s = &c->states[at];
		struct x86_insn insn;
		bool good = x86_decode(c->bytes + at, c->size - at, &insn);

		if (s->start)
			jump = (struct table_jump) { .found = false };
		if (!s->known && good && (insn.is_nop || insn.flow == X86_STOP)) {
			padded = true;
		} else if (!s->known && good && jump.found && !jump.differ &&
			   (!padded || code_starts_complete(c->starts))) {
			reach(c, at, jump.state, false);
			follow(c);
			continue;
		} else {
			padded = false;
			if (!s->known)
				jump.differ = true; /* whose this is nobody knows */
		}
		if (s->known && good && insn.flow == X86_JUMP_INDIRECT)
			add_jump(&jump, s);
		at += good ? insn.size : 1;
	}
}

static void forget(struct unwind_code *c)
{
	for (uint32_t i = 0; i < c->size; i++)
		c->states[i] = (struct state) { .no_return = c->states[i].no_return };
	c->nr_waiting = 0;
}

static void analyse(struct unwind_code *c)
{
	memset(c->states, 0, c->size * sizeof(*c->states));
	c->given_up = false;
	c->steps_left = (uint64_t)c->size * STEPS_A_BYTE;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		c->again = false;
		forget(c);
		follow_functions(c);
		follow_tables(c);
		if (c->given_up || !c->again)
			break;
	}
}

static uint64_t rule_of(const struct state *s)
{
	struct unwind_rule rule = { .kind = UNWIND_SP,
				    .cfa_off = WORD * s->sp,
				    .ra_off = X86_RA_OFF,
				    .fp = UNWIND_FP_LOST };

	if (s->root)
		return UNWIND_ROOT;
	if (s->sp_lost && s->fp_kind != FP_FRAME)
		return UNWIND_UNSUPPORTED;
	if (s->fp_kind == FP_FRAME && (s->sp_lost || s->fp == 2)) {
		rule.kind = UNWIND_FP;
		rule.cfa_off = WORD * s->fp;
	} else if (s->sp == 0) {
		/* System V ABI's numbers of rax, rcx, rdx, rbx; the others agree. */
		static const uint8_t dwarf[] = { 0, 2, 1, 3 };

		if (!s->in_reg)
			return UNWIND_UNSUPPORTED;
		rule.ra = UNWIND_RA_IN_REG;
		rule.ra_off = 0;
		rule.ra_reg = s->reg < ARRAY_SIZE(dwarf) ? dwarf[s->reg] : (uint8_t)s->reg;
	}
	if (s->fp_kind == FP_CALLERS) {
		rule.fp = UNWIND_FP_SAME;
	} else if (s->saved) {
		rule.fp = UNWIND_FP_AT_CFA;
		rule.fp_off = -WORD * s->saved;
	}
	return unwind_machine_x86.pack(&rule);
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

static void emit_rows(const struct unwind_code *c, struct emitter *e)
{
	uint32_t end = 0; /* of what was reached */

	if (c->given_up) {
		emit(e, c->from, UNWIND_UNSUPPORTED);
		emit(e, c->from + c->size, UNWIND_GAP);
		return;
	}
	for (uint32_t at = 0; at < c->size;) {
		const struct state *s = &c->states[at];
		struct x86_insn insn;

		if (!s->known || !x86_decode(c->bytes + at, c->size - at, &insn)) {
			at++;
			continue;
		}
		if (at > end + PADDING_MAX || !end)
			emit(e, c->from + end, UNWIND_GAP);
		if (s->start && is_sigreturn(c, at)) {
			/* A handler returns to its first byte, and is looked up by the one before. */
			emit(e, c->from + at - !!at, UNWIND_SIGNAL);
			at += SIGRETURN_BYTES;
		} else {
			emit(e, c->from + at, rule_of(s));
			at += insn.size;
		}
		end = at;
	}
	emit(e, c->from + end, UNWIND_GAP);
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
		c->bytes = bytes + (start - begin);
		c->from = start;
		c->size = (uint32_t)MIN(to - start, (uint64_t)PART_BYTES_MAX);
		analyse(c);
		emit_rows(c, &e);
		from = start + c->size;
	}
}
