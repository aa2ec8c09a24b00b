/* Follows what is known of the stack from where functions begin through all that they can reach. */
#include "symbolizer/code_flow.h"
#include "agent/base/hashmap.h"
#include "symbolizer/code_guess.h"
#include "symbolizer/unwind_rules.h"

#include <errno.h>
#include <string.h>

#define WAITING_MAX 16384 /* ways that are to be followed yet */
#define STEPS_A_BYTE 8 /* instructions, in the mean: all of them are read a few times over */
#define ROUNDS_MAX 8 /* each finds calls that do not return */
#define STATES_A_STEP 16 /* that are only looked at */
#define LOG_MAX (1u << 18) /* instructions that one start leads to */
#define BLAMES_MAX 64 /* calls that one start's way is cut at */
#define NO_RETURNS_MAX (1u << 16)

/* A place that a trial changed, as it was before. */
struct change {
	uint32_t at;
	struct code_state before;
};

/*
 * What one start leads to stays a trial until all of it is followed. A return that finds the stack pointer elsewhere than
 * the start had it refutes it: a call on the way does not return, and what lies behind it is another function; or what was
 * taken for a start lies within a function.
 */
struct trial {
	bool guess; /* the start may be none */
	bool refuted;
	uint32_t where; /* … by a return here; 0: otherwise */
	bool proven; /* by a return, or by what was known already */
	bool may_return; /* or go on where nobody has looked */
};

struct code_flow {
	struct code_starts *starts;
	uint32_t *bounds; /* reached, by enum unwind_bound */
	struct code_state states[CODE_FLOW_BYTES_MAX];
	uint32_t waiting[WAITING_MAX];
	size_t nr_waiting;
	struct change log[LOG_MAX];
	size_t nr_log;
	struct trial trial;
	struct hashmap *no_returns; /* addresses of functions that do not return */
	/* Bitmap: calls to here were taken to return. */
	uint64_t returned[CODE_FLOW_BYTES_MAX / 64];
	/* The part in hand: */
	struct code_bytes code;
	uint64_t steps_left;
	bool again; /* a call was found not to return: what was concluded from it is wrong */
	bool given_up; /* it took more steps than the bound */
};

int code_flow_new(struct code_flow **ret, struct code_starts *starts, uint32_t *bounds)
{
	/* Pages are used as far as a part is long. */
	_cleanup_(code_flow_freep) struct code_flow *flow = calloc(1, sizeof(*flow));
	int r;

	if (!flow)
		return -ENOMEM;
	flow->starts = starts;
	flow->bounds = bounds;
	r = hashmap_new(&flow->no_returns, sizeof(uint64_t), 0, NO_RETURNS_MAX);
	if (r)
		return r;
	*ret = TAKE_PTR(flow);
	return 0;
}

struct code_flow *code_flow_free(struct code_flow *flow)
{
	if (!flow)
		return NULL;
	hashmap_free(flow->no_returns);
	free(flow);
	return NULL;
}

static void spend(struct code_flow *c, uint64_t steps)
{
	if (steps > c->steps_left)
		c->given_up = true;
	else
		c->steps_left -= steps;
}

static void wait_for(struct code_flow *c, uint32_t at)
{
	if (c->nr_waiting == WAITING_MAX) {
		c->given_up = true;
		return;
	}
	c->waiting[c->nr_waiting++] = at;
}

static void refute(struct code_flow *c, uint32_t where)
{
	c->trial.refuted = true;
	c->trial.where = where;
}

/* Before a place is changed. */
static void keep(struct code_flow *c, uint32_t at)
{
	if (c->states[at].logged)
		return;
	if (c->nr_log == LOG_MAX) {
		c->given_up = true;
		return;
	}
	c->log[c->nr_log++] = (struct change) { .at = at, .before = c->states[at] };
	c->states[at].logged = true;
}

static void undo(struct code_flow *c)
{
	while (c->nr_log) {
		const struct change *change = &c->log[--c->nr_log];

		c->states[change->at] = change->before;
	}
	c->nr_waiting = 0;
}

static void commit(struct code_flow *c)
{
	while (c->nr_log)
		c->states[c->log[--c->nr_log].at].logged = false;
}

static bool is_no_return(const struct code_flow *c, uint64_t address)
{
	return hashmap_get(c->no_returns, &address);
}

/* A jump to another function, which returns to the caller if it does. */
static void leave_to(struct code_flow *c, uint32_t where, const struct code_state *s)
{
	c->trial.may_return |= !is_no_return(c, c->code.from + where);
	if (c->trial.guess && !s->sp_lost && s->sp != 1)
		refute(c, 0);
}

/* The way meets what is known from another start; true: that refutes it. */
static bool joins(struct code_flow *c, const struct code_state *at, const struct code_state *s,
		  bool behind_call)
{
	bool differs = code_state_disagree(at, s);

	c->trial.may_return = true;
	c->trial.proven |= !differs && !s->sp_lost;
	if (!differs || !c->trial.guess || at->behind_call != behind_call)
		return false;
	refute(c, 0);
	return true;
}

/*
 * A way to an instruction: behind a call, or otherwise. If they disagree the call does not return, and what is behind it
 * is another's.
 */
static void reach(struct code_flow *c, uint64_t where, struct code_state s, bool behind_call)
{
	struct code_state *at;

	if (where >= c->code.size) {
		c->trial.may_return = true;
		return;
	}
	at = &c->states[where];
	if (behind_call && (at->sure || at->no_return))
		return;
	if (at->sure) {
		leave_to(c, (uint32_t)where, &s);
		return;
	}
	if (at->known && !at->logged && joins(c, at, &s, behind_call))
		return;
	keep(c, (uint32_t)where);
	if (at->known && code_state_disagree(at, &s) && at->behind_call != behind_call) {
		at->no_return = true;
		c->again |= at->behind_call;
		if (behind_call)
			return;
		at->known = false;
	}
	if (!at->known) {
		s.known = s.logged = true;
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

/* A call: on to what is behind it, unless it does not return. */
static void step_call(struct code_flow *c, uint32_t at, const struct x86_insn *insn,
		      struct code_state s)
{
	uint64_t callee = c->code.from + at + (uint64_t)insn->target,
		 offset = callee - c->code.from;
	uint64_t looked_at = 0;
	bool ends;

	if (insn->has_target && is_no_return(c, callee))
		return;
	ends = !code_starts_complete(c->starts) &&
	       code_ends_function(&c->code, at + insn->size, &looked_at);
	spend(c, looked_at);
	if (ends)
		return;
	if (insn->has_target && offset < c->code.size)
		c->returned[offset / 64] |= 1ULL << (offset & 63);
	reach(c, at + insn->size, s, true);
}

/* Is this where a function returns whose start had the stack pointer here? Or does what is popped lie above it? */
static void check_return(struct code_flow *c, uint32_t at, const struct code_state *before,
			 const struct code_state *after, const struct x86_insn *insn)
{
	bool up = insn->effect == X86_POP || (insn->effect == X86_MOVE_SP && insn->value > 0);

	if (!before->sp_lost && after->sp_lost && up)
		refute(c, 0);
	if (insn->flow != X86_RETURN)
		return;
	c->trial.may_return = true;
	if (after->sp_lost)
		return;
	if (after->sp == 1)
		c->trial.proven = true;
	else
		refute(c, at);
}

/* One instruction, and on to those that may be next. */
static void step(struct code_flow *c, uint32_t at)
{
	struct code_state s = c->states[at];
	struct x86_insn insn;

	if (!x86_decode(c->code.bytes + at, c->code.size - at, &insn)) {
		c->trial.may_return = true;
		return;
	}
	code_state_apply(&s, &insn);
	check_return(c, at, &c->states[at], &s, &insn);
	if (insn.flow == X86_CALL) {
		step_call(c, at, &insn, s);
		return;
	}
	if (insn.has_target)
		reach(c, at + (uint64_t)insn.target, s, false);
	if (insn.flow == X86_NEXT || insn.flow == X86_BRANCH)
		reach(c, at + insn.size, s, false);
	c->trial.may_return |= insn.flow == X86_JUMP_INDIRECT;
}

static void follow(struct code_flow *c)
{
	while (c->nr_waiting && !c->given_up && !c->trial.refuted) {
		spend(c, 1);
		step(c, c->waiting[--c->nr_waiting]);
	}
}

/*
 * A function that was taken for the end of the one before it returns here. The call behind which it begins left the stack
 * pointer where the return finds it. False: there is no such call.
 */
static bool blame(struct code_flow *c, uint32_t where)
{
	int16_t sp = c->states[where].sp;

	for (uint32_t at = where; at > 0; at--) {
		struct code_state *s = &c->states[at];

		if (at % STATES_A_STEP == 0)
			spend(c, 1);
		if (s->start || c->given_up)
			return false;
		if (!s->logged || !s->known || !s->behind_call || s->sp_lost || s->sp != sp)
			continue;
		undo(c);
		s->no_return = true;
		code_starts_add(c->starts, c->code.from + at);
		return true;
	}
	return false;
}

/* Follows a start whose state is set. False: it was refuted, and nothing of it is left. */
static bool follow_start(struct code_flow *c, uint32_t at, struct code_state s, bool guess)
{
	bool again = c->again;

	for (int blames = 0; blames <= BLAMES_MAX; blames++) {
		c->trial = (struct trial) { .guess = guess };
		c->again = again;
		keep(c, at);
		s.no_return = c->states[at].no_return;
		s.logged = true;
		c->states[at] = s;
		wait_for(c, at);
		follow(c);
		if (!c->trial.refuted)
			return true;
		if (!c->trial.where || !blame(c, c->trial.where))
			break;
	}
	undo(c);
	c->again = again;
	return false;
}

/* As above, of a function. */
static void follow_function(struct code_flow *c, uint32_t at, enum code_start how)
{
	struct code_state s = CODE_STATE_ENTRY;
	uint64_t address = c->code.from + at;
	bool guess = how == CODE_START_POINTED;

	s.start = true;
	s.sure = !guess;
	s.root = how == CODE_START_ENTRY;
	if (!follow_start(c, at, s, guess))
		return;
	if (guess && !c->trial.proven && !code_looks_begun(&c->code, at)) {
		undo(c);
		return;
	}
	commit(c);
	if (c->trial.may_return || c->given_up || is_no_return(c, address))
		return;
	/* Those that are left out when there is no room only cost rows. */
	hashmap_put(c->no_returns, &address, NULL, NULL);
	c->again |= c->returned[at / 64] >> (at & 63) & 1;
}

static bool next_start(const struct code_flow *c, uint32_t from, uint32_t *ret,
		       enum code_start *ret_how)
{
	uint64_t address;

	if (from >= c->code.size ||
	    !code_starts_next(c->starts, c->code.from + from, c->code.from + c->code.size, &address,
			      ret_how))
		return false;
	*ret = (uint32_t)(address - c->code.from);
	return true;
}

/* Those that are sure, all at once; then those that are not, unless they are part of a function by then. */
static void follow_functions(struct code_flow *c)
{
	enum code_start how;
	uint32_t at;

	for (at = 0; next_start(c, at, &at, &how); at++) {
		struct code_state s = CODE_STATE_ENTRY;

		s.start = s.sure = true;
		s.no_return = c->states[at].no_return;
		if (how != CODE_START_POINTED)
			c->states[at] = s;
	}
	for (at = 0; next_start(c, at, &at, &how) && !c->given_up; at++) {
		if (how != CODE_START_POINTED)
			follow_function(c, at, how);
	}
	for (at = 0; next_start(c, at, &at, &how) && !c->given_up; at++) {
		if (how == CODE_START_POINTED && !c->states[at].known)
			follow_function(c, at, how);
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
		jump->state.start = jump->state.sure = jump->state.behind_call = false;
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

	for (uint32_t at = 0; at < c->code.size && !c->given_up;) {
		struct code_state *s = &c->states[at];
		struct x86_insn insn;
		bool good = x86_decode(c->code.bytes + at, c->code.size - at, &insn);

		if (s->start)
			jump = (struct table_jump) { .found = false };
		if (!s->known && good && (insn.is_nop || insn.flow == X86_STOP)) {
			padded = true;
		} else if (!s->known && good && jump.found && !jump.differ &&
			   (!padded || code_starts_complete(c->starts))) {
			if (follow_start(c, at, jump.state, true) &&
			    (c->trial.proven || !is_entry(&jump.state))) {
				commit(c);
				continue;
			}
			undo(c);
			jump.differ = true;
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
	for (uint32_t i = 0; i < c->code.size; i++)
		c->states[i] = (struct code_state) { .no_return = c->states[i].no_return };
	memset(c->returned, 0, (c->code.size + 63) / 64 * sizeof(*c->returned));
	c->nr_waiting = c->nr_log = 0;
}

bool code_flow_follow(struct code_flow *c, const uint8_t *bytes, uint64_t from, uint32_t size)
{
	c->code = (struct code_bytes) { .bytes = bytes,
					.from = from,
					.size = MIN(size, CODE_FLOW_BYTES_MAX) };
	memset(c->states, 0, c->code.size * sizeof(*c->states));
	c->given_up = false;
	c->steps_left = (uint64_t)c->code.size * STEPS_A_BYTE;
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
