/* Compact profiles: nothing is lost on the way there and back, and merging adds up. */
#include "proto/compact.h"
#include "tests/test.h"

#include <errno.h>

/* Two owners, shared and inlined frames, an unsymbolized one, two processes. */
static void fill(struct profile *p, uint32_t owners[2], uint64_t scale)
{
	struct profile_owner o = { .name = 0 };
	struct profile_mapping m = { .has_functions = true, .has_line_numbers = true };
	struct profile_function f = { .start_line = 10 };
	struct profile_process process = { .tgid = 42, .start_boot_ns = 7 };
	struct profile_location l = { .kind = PROFILE_FRAME_USER,
				      .address = 0x1234,
				      .nr_lines = 2 };
	struct profile_sample s = { .complete = true };
	struct profile_line lines[2] = { { .line = 5, .column = 3 }, { .line = 11 } };
	uint32_t mapping, functions[3], locations[4], processes[2];
	const char *const names[] = { "inner", "outer", "main" };

	profile_meta(p)->period_ns = 1000;
	CHECK_INT(profile_add_string(p, "one", &o.name), 0);
	CHECK_INT(profile_add_owner(p, &o, &owners[0]), 0);
	CHECK_INT(profile_add_string(p, "two", &o.name), 0);
	CHECK_INT(profile_add_owner(p, &o, &owners[1]), 0);
	CHECK_INT(profile_add_string(p, "/usr/lib/libx.so", &m.file), 0);
	CHECK_INT(profile_add_string(p, "abcdef", &m.build_id), 0);
	CHECK_INT(profile_add_mapping(p, &m, &mapping), 0);
	for (size_t i = 0; i < 3; i++) {
		CHECK_INT(profile_add_string(p, names[i], &f.name), 0);
		f.system_name = f.name;
		CHECK_INT(profile_add_function(p, &f, &functions[i]), 0);
	}
	l.mapping = mapping;
	lines[0].function = functions[0];
	lines[1].function = functions[1];
	CHECK_INT(profile_add_location(p, &l, lines, &locations[0]), 0);
	l.address = 0x1238; /* the same lines at another address */
	CHECK_INT(profile_add_location(p, &l, lines, &locations[1]), 0);
	l.nr_lines = 1;
	lines[0].function = functions[2];
	CHECK_INT(profile_add_location(p, &l, lines, &locations[2]), 0);
	l = (struct profile_location) { .mapping = UINT32_MAX, .address = 0xdead };
	CHECK_INT(profile_add_location(p, &l, NULL, &locations[3]), 0);
	CHECK_INT(profile_add_string(p, "comm", &process.comm), 0);
	CHECK_INT(profile_add_process(p, &process, &processes[0]), 0);
	process.tgid = 43;
	CHECK_INT(profile_add_process(p, &process, &processes[1]), 0);
	for (uint32_t i = 0; i < 16; i++) {
		const uint32_t stack[] = { locations[i % 2], locations[3], locations[2] };

		s.owner = owners[i % 3 == 0];
		s.process = processes[i % 4 == 0];
		s.thread_comm = process.comm;
		s.count = (i + 1) * scale;
		s.value_ns = s.count * 1000 + (i == 5);
		s.complete = i != 7;
		CHECK_INT(profile_add_sample(p, &s, stack + i % 2, 3 - i % 2), 0);
	}
}

static void encode(const struct profile *p, uint32_t owner, struct buf *b)
{
	_cleanup_(compact_encoder_freep) struct compact_encoder *e = NULL;

	buf_init(b, COMPACT_MAX_PAYLOAD);
	CHECK_INT(compact_encoder_new(&e, p), 0);
	CHECK_INT(compact_encode(e, 0, b), 0); /* an owner before leaves nothing behind */
	buf_reset(b);
	CHECK_INT(compact_encode(e, owner, b), 0);
}

static uint32_t add_owner(struct profile *p)
{
	struct profile_owner o = { .name = 0 };
	uint32_t owner;

	CHECK_INT(profile_add_owner(p, &o, &owner), 0);
	return owner;
}

static void totals(const struct profile *p, uint32_t owner, uint64_t *ret_count,
		   uint64_t *ret_value)
{
	struct profile_view v;

	profile_view(p, &v);
	*ret_count = v.owners[owner].samples;
	*ret_value = v.owners[owner].value_ns;
}

/* A picture of all of a profile's samples, independent of the order of its tables. */
static void picture(const struct profile *p, uint32_t owner, struct buf *b)
{
	struct profile_view v;
	char tmp[PROFILE_MAX_NAME];

	profile_view(p, &v);
	for (size_t i = 0; i < v.nr_samples; i++) {
		const struct profile_sample *s = &v.samples[i];

		if (s->owner != owner)
			continue;
		for (uint32_t j = 0; j < s->nr_locations; j++) {
			uint32_t at = v.stack_locations[s->first_location + j];
			const struct profile_location *l = &v.locations[at];

			buf_addf(b, "%" PRIx64 "/%d", l->address, l->kind);
			for (uint32_t k = 0; k < MAX(l->nr_lines, 1u); k++)
				buf_addf(b, ":%s", profile_frame_name(p, at, k, tmp));
			for (uint32_t k = 0; k < l->nr_lines; k++)
				buf_addf(b, "+%u.%u", v.lines[l->first_line + k].line,
					 v.lines[l->first_line + k].column);
			if (l->mapping != UINT32_MAX)
				buf_addf(b, "@%s",
					 profile_string(p, v.mappings[l->mapping].build_id));
			buf_addc(b, ' ');
		}
		buf_addf(b, "%u %s %" PRIu64 " %" PRIu64 " %d\n", v.processes[s->process].tgid,
			 profile_string(p, s->thread_comm), s->count, s->value_ns, s->complete);
	}
	CHECK_INT(b->error, 0);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(struct buf *b)
{
	char *lines[64], *copy = strdup(buf_str(b)), *save = NULL;
	size_t nr = 0;

	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		lines[nr++] = l;
	qsort(lines, nr, sizeof(*lines), compare_lines);
	buf_reset(b);
	for (size_t i = 0; i < nr; i++)
		buf_addf(b, "%s\n", lines[i]);
	free(copy);
}

static void test_a_profile_comes_back(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL, before = BUF_NULL, after = BUF_NULL;
	_cleanup_(profile_freep) struct profile *in = NULL, *out = NULL;
	uint32_t owners[2];

	CHECK_INT(profile_new(&in), 0);
	fill(in, owners, 1);
	for (size_t i = 0; i < 2; i++) {
		encode(in, owners[i], &b);
		CHECK_INT(profile_new(&out), 0);
		CHECK_INT(compact_decode(b.data, b.len, out, add_owner(out), 0), 0);
		buf_init(&before, 1 << 16);
		buf_init(&after, 1 << 16);
		picture(in, owners[i], &before);
		picture(out, 0, &after);
		sort_lines(&before);
		sort_lines(&after);
		CHECK_STR(buf_str(&after), buf_str(&before));
		CHECK(before.len > 100);
		buf_deinit(&b);
		buf_deinit(&before);
		buf_deinit(&after);
		out = profile_free(out);
	}
}

static void test_merging_adds_up(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	_cleanup_(profile_freep) struct profile *out = NULL;
	uint64_t count = 0, value = 0, c, v;
	struct profile_view view;
	size_t nr = 0;
	uint32_t to;

	CHECK_INT(profile_new(&out), 0);
	to = add_owner(out);
	for (uint64_t scale = 1; scale < 5; scale++) {
		_cleanup_(profile_freep) struct profile *in = NULL;
		uint32_t owners[2];

		CHECK_INT(profile_new(&in), 0);
		fill(in, owners, scale);
		encode(in, owners[0], &b);
		totals(in, owners[0], &c, &v);
		count += c;
		value += v;
		CHECK_INT(compact_decode(b.data, b.len, out, to, 0), 0);
		buf_deinit(&b);
		profile_view(out, &view);
		CHECK(scale == 1 || view.nr_samples == nr);
		nr = view.nr_samples;
	}
	totals(out, to, &c, &v);
	CHECK_INT(c, count);
	CHECK_INT(v, value);
}

static void test_coarse_forgets_pids_and_named_addresses(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	_cleanup_(profile_freep) struct profile *in = NULL, *out = NULL;
	uint64_t c1, v1, c2, v2;
	struct profile_view fine, coarse;
	uint32_t owners[2];

	CHECK_INT(profile_new(&in), 0);
	CHECK_INT(profile_new(&out), 0);
	fill(in, owners, 1);
	encode(in, owners[0], &b);
	CHECK_INT(compact_decode(b.data, b.len, out, add_owner(out), COMPACT_COARSE), 0);
	totals(in, owners[0], &c1, &v1);
	totals(out, 0, &c2, &v2);
	CHECK_INT(c1, c2);
	CHECK_INT(v1, v2);
	profile_view(in, &fine);
	profile_view(out, &coarse);
	CHECK_INT(coarse.nr_processes, 1);
	CHECK_INT(fine.nr_locations, 4);
	CHECK_INT(coarse.nr_locations,
		  3); /* two addresses had the same lines; the unnamed one stays */
}

static void test_damaged_bytes_are_refused(void)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	_cleanup_(profile_freep) struct profile *in = NULL;
	uint32_t owners[2];

	CHECK_INT(profile_new(&in), 0);
	fill(in, owners, 1);
	encode(in, owners[0], &b);
	for (size_t len = 0; len < b.len; len++) {
		_cleanup_(profile_freep) struct profile *out = NULL;

		CHECK_INT(profile_new(&out), 0);
		CHECK_INT(compact_decode(b.data, len, out, add_owner(out), 0), -EBADMSG);
	}
}

static void test_steps_decode_the_same(void)
{
	_cleanup_(profile_freep) struct profile *in = NULL, *out = NULL;
	_cleanup_(compact_decoder_freep) struct compact_decoder *d = NULL;
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL, before = BUF_NULL, after = BUF_NULL;
	uint32_t owners[2];
	int steps = 0;

	CHECK_INT(profile_new(&in), 0);
	fill(in, owners, 1);
	encode(in, owners[0], &b);
	CHECK_INT(profile_new(&out), 0);
	owners[1] = add_owner(out);
	CHECK_INT(compact_decoder_new(&d, b.data, b.len, out, owners[1], 0), 0);
	while (compact_decoder_step(d, 1) > 0)
		steps++;
	CHECK(steps > 2);
	buf_init(&before, 1 << 16);
	buf_init(&after, 1 << 16);
	picture(in, owners[0], &before);
	picture(out, owners[1], &after);
	sort_lines(&before);
	sort_lines(&after);
	CHECK_STR(buf_str(&after), buf_str(&before));
}

int main(void)
{
	RUN(test_a_profile_comes_back);
	RUN(test_merging_adds_up);
	RUN(test_coarse_forgets_pids_and_named_addresses);
	RUN(test_damaged_bytes_are_refused);
	RUN(test_steps_decode_the_same);
	return 0;
}
