/* A profile in memory, as weighted stacks of functions. */
#include "agent/core/stacks_profile.h"

#include <errno.h>
#include <string.h>

struct conversion {
	const struct profile *profile;
	struct profile_view view;
	struct stacks *stacks;
	size_t *first_frame; /* of each location, into frames */
	uint32_t *frames; /* functions of each location's frames, innermost first */
	uint32_t *stack;
	size_t max_stack;
};

static void conversion_deinit(struct conversion *c)
{
	stacks_free(c->stacks);
	free(c->first_frame);
	free(c->frames);
	free(c->stack);
}
DEFINE_CLEANUP_EMBEDDED(struct conversion, conversion_deinit)

static uint32_t frames_of(const struct profile_location *l)
{
	return MAX(l->nr_lines, 1u);
}

static enum stacks_kind kind_of(const struct profile_location *l)
{
	return l->kind == PROFILE_FRAME_KERNEL ? STACKS_KERNEL
	       : l->kind == PROFILE_FRAME_ROOT ? STACKS_ROOT
					       : STACKS_USER;
}

static int add_function(struct conversion *c, uint32_t location, uint32_t line, uint32_t *ret)
{
	const struct profile_location *l = &c->view.locations[location];
	char tmp[PROFILE_MAX_NAME], whole[PROFILE_MAX_NAME + 32];
	const char *name = profile_frame_name(c->profile, location, line, tmp);
	const char *address = l->nr_lines ? NULL : strrchr(name, '!');
	int len = address ? (int)(address - name) : (int)strlen(name);

	len = snprintf(whole, sizeof(whole), "%.*s%s", len, name, address ? " (no name)" : "");
	return stacks_add_function(c->stacks, kind_of(l), whole, (size_t)len, ret);
}

static int add_functions(struct conversion *c)
{
	const struct profile_view *v = &c->view;
	size_t nr = 0;
	int r = 0;

	for (size_t i = 0; i < v->nr_locations; i++)
		nr += frames_of(&v->locations[i]);
	c->first_frame = calloc(v->nr_locations + 1, sizeof(*c->first_frame));
	c->frames = calloc(nr + 1, sizeof(*c->frames));
	if (!c->first_frame || !c->frames)
		return -ENOMEM;
	nr = 0;
	for (uint32_t i = 0; i < v->nr_locations; i++) {
		c->first_frame[i] = nr;
		for (uint32_t j = 0; !r && j < frames_of(&v->locations[i]); j++)
			r = add_function(c, i, j, &c->frames[nr++]);
	}
	return r;
}

static int add_sample(struct conversion *c, const struct profile_sample *sample)
{
	const uint32_t *locations = c->view.stack_locations + sample->first_location;
	size_t nr = 0, want = 0;

	for (uint32_t i = 0; i < sample->nr_locations; i++)
		want += frames_of(&c->view.locations[locations[i]]);
	if (want > c->max_stack) {
		uint32_t *stack = reallocarray(c->stack, want, sizeof(*stack));

		if (!stack)
			return -ENOMEM;
		c->stack = stack;
		c->max_stack = want;
	}
	for (uint32_t i = 0; i < sample->nr_locations; i++) {
		for (uint32_t j = 0; j < frames_of(&c->view.locations[locations[i]]); j++)
			c->stack[nr++] = c->frames[c->first_frame[locations[i]] + j];
	}
	return stacks_add_sample(c->stacks, 0, (int64_t)sample->value_ns, c->stack, nr);
}

int stacks_from_profile(const struct profile *p, struct stacks **ret)
{
	_cleanup_(conversion_deinitp) struct conversion c = { .profile = p };
	int r = stacks_new(&c.stacks);

	profile_view(p, &c.view);
	if (!r)
		r = add_functions(&c);
	for (size_t i = 0; i < c.view.nr_samples && !r; i++)
		r = add_sample(&c, &c.view.samples[i]);
	if (!r)
		*ret = TAKE_PTR(c.stacks);
	return r;
}
