/* Follows what is known of the stack from where functions begin through all that they can reach. */
#include "symbolizer/code_flow.h"
#include "symbolizer/unwind_rules.h"

#include <errno.h>
#include <string.h>

#define WAITING_MAX 16384 /* ways that are to be followed yet */
#define STEPS_A_BYTE 8 /* instructions, in the mean: all of them are read a few times over */
#define ROUNDS_MAX 8 /* each finds calls that do not return */
#define FUNCTION_ALIGNMENT 16
#define LOOP_BYTES 1024

struct code_flow {
	struct code_starts *starts;
	uint32_t *bounds; /* reached, by enum unwind_bound */
	struct code_state states[CODE_FLOW_BYTES_MAX];
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

int code_flow_new(struct code_flow **ret, struct code_starts *starts, uint32_t *bounds)
{
	struct code_flow *flow =
		calloc(1, sizeof(*flow)); /* pages are used as far as a part is long */

	if (!flow)
		return -ENOMEM;
	flow->starts = starts;
	flow->bounds = bounds;
	*ret = flow;
	return 0;
}

struct code_flow *code_flow_free(struct code_flow *flow)
{
	free(flow);
	return NULL;
}

static void wait_for(struct code_flow *c, uint32_t at)
{
	if (c->nr_waiting == WAITING_MAX) {
		c->given_up = true;
		return;
	}
	c->waiting[c->nr_waiting++] = at;
}

/*
 * Addresses that are taken are mostly those of labels, by tables of jumps. A function that saves registers or makes itself
 * a frame is known by that.
 */
static bool looks_begun(const struct code_flow *c, uint32_t at)
{
	struct x86_insn insn;

	if (x86_is_sigreturn(c->bytes + at, c->size - at))
		return true;
	if (!x86_decode(c->bytes + at, c->size - at, &insn))
		return false;
	if (insn.effect == X86_PUSH) /* rbx, rbp, r12 to r15: what a caller wants to find again */
		return insn.reg == 3 || insn.reg == X86_RBP || (insn.reg >= 12 && insn.reg < 16);
	return insn.is_endbr || (insn.effect == X86_MOVE_SP && insn.value < 0);
}

/* Is there a jump back to it? Compilers align the heads of loops, as they do functions. */
static bool is_loop(const struct code_flow *c, uint64_t head)
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
static bool ends_function(const struct code_flow *c, uint64_t where)
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
static void reach(struct code_flow *c, uint64_t where, struct code_state s, bool behind_call)
{
	struct code_state *at;

	if (where >= c->size)
		return;
	at = &c->states[where];
	if (at->sure || (behind_call && at->no_return))
		return;
	if (at->known && code_state_disagree(at, &s) && at->behind_call != behind_call) {
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
		if (code_state_meet(at, &s))
			wait_for(c, (uint32_t)where);
	}
}

/* One instruction, and on to those that may be next. */
static void step(struct code_flow *c, uint32_t at)
{
	struct code_state s = c->states[at];
	struct x86_insn insn;

	if (!x86_decode(c->bytes + at, c->size - at, &insn))
		return;
	code_state_apply(&s, &insn);
	if (insn.has_target && insn.flow != X86_CALL)
		reach(c, at + (uint64_t)insn.target, s, false);
	if (insn.flow == X86_CALL && ends_function(c, at + insn.size))
		return;
	if (insn.flow == X86_NEXT || insn.flow == X86_BRANCH || insn.flow == X86_CALL)
		reach(c, at + insn.size, s, insn.flow == X86_CALL);
}

static void follow(struct code_flow *c)
{
	while (c->nr_waiting && !c->given_up) {
		c->given_up = !c->steps_left--;
		step(c, c->waiting[--c->nr_waiting]);
	}
}

static void begin_function(struct code_flow *c, uint32_t at, enum code_start how)
{
	struct code_state s = CODE_STATE_ENTRY;

	s.start = true;
	s.sure = how != CODE_START_POINTED;
	s.root = how == CODE_START_ENTRY;
	s.no_return = c->states[at].no_return;
	c->states[at] = s;
}

static bool next_start(const struct code_flow *c, uint32_t from, uint32_t *ret,
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
static void follow_functions(struct code_flow *c)
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
	struct code_state state;
};

static bool is_entry(const struct code_state *s)
{
	return s->sp == CODE_STATE_ENTRY.sp && s->fp_kind == FP_CALLERS && !s->sp_lost;
}

/* Those that jump out of the function have its frame removed. */
static void add_jump(struct table_jump *jump, const struct code_state *s)
{
	if (!jump->found || is_entry(&jump->state)) {
		jump->state = *s;
		jump->found = true;
	} else if (!is_entry(s) && code_state_disagree(s, &jump->state)) {
		jump->differ = true;
	}
}

/* What only jumps by a table lead to, in a function that has one. */
static void follow_tables(struct code_flow *c)
{
	struct table_jump jump = { .found = false };
	bool padded = false;

	for (uint32_t at = 0; at < c->size && !c->given_up;) {
		struct code_state *s = &c->states[at];
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

static void forget(struct code_flow *c)
{
	for (uint32_t i = 0; i < c->size; i++)
		c->states[i] = (struct code_state) { .no_return = c->states[i].no_return };
	c->nr_waiting = 0;
}

bool code_flow_follow(struct code_flow *c, const uint8_t *bytes, uint64_t from, uint32_t size)
{
	c->bytes = bytes;
	c->from = from;
	c->size = MIN(size, CODE_FLOW_BYTES_MAX);
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
	if (c->given_up)
		c->bounds[UNWIND_BOUND_STEPS]++;
	else if (c->again)
		c->bounds[UNWIND_BOUND_ROUNDS]++;
	return !c->given_up;
}

const struct code_state *code_flow_states(const struct code_flow *c)
{
	return c->states;
}
