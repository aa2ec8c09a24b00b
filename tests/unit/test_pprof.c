/* The pprof writer: the file is taken apart again and held against every rule of its readers. */
#include "agent/base/clock.h"
#include "proto/pprof.h"
#include "agent/base/text.h"
#include "proto/profile.pb-c.h"
#include "tests/fixtures/evil_names.h"
#include "tests/fixtures/known_profile.h"
#include "tests/test.h"

#include <errno.h>
#include <libdeflate.h>

#define PACKED_MAX (64u << 20)

static Perftools__Profiles__Profile *unpack(const struct buf *packed)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	uint8_t *raw = malloc(PACKED_MAX);
	Perftools__Profiles__Profile *m;
	size_t len = 0;

	CHECK(d && raw);
	CHECK_INT(libdeflate_gzip_decompress(d, packed->data, packed->len, raw, PACKED_MAX, &len),
		  LIBDEFLATE_SUCCESS);
	m = perftools__profiles__profile__unpack(NULL, len, raw);
	CHECK(m);
	free(raw);
	libdeflate_free_decompressor(d);
	return m;
}

static const char *text(const Perftools__Profiles__Profile *m, int64_t index)
{
	CHECK(index >= 0 && (size_t)index < m->n_string_table);
	return m->string_table[index];
}

static void check_strings(const Perftools__Profiles__Profile *m)
{
	CHECK(m->n_string_table > 0);
	CHECK_STR(m->string_table[0], "");
	for (size_t i = 0; i < m->n_string_table; i++) {
		CHECK(text_is_valid(m->string_table[i], strlen(m->string_table[i])));
		CHECK(strlen(m->string_table[i]) <= 65536);
	}
}

static void check_types(const Perftools__Profiles__Profile *m)
{
	CHECK_INT(m->n_sample_type, 2);
	CHECK_STR(text(m, m->sample_type[0]->type), "samples");
	CHECK_STR(text(m, m->sample_type[0]->unit), "count");
	CHECK_STR(text(m, m->sample_type[1]->type), "cpu");
	CHECK_STR(text(m, m->sample_type[1]->unit), "nanoseconds");
	CHECK(m->period_type && m->period > 0);
	CHECK_STR(text(m, m->period_type->type), "cpu");
	CHECK_STR(text(m, m->period_type->unit), "nanoseconds");
	CHECK_STR(text(m, m->default_sample_type), "cpu");
}

static void check_locations(const Perftools__Profiles__Profile *m)
{
	const char *build_id;

	for (size_t i = 0; i < m->n_location; i++) {
		const Perftools__Profiles__Location *l = m->location[i];

		CHECK_INT(l->id, i + 1);
		CHECK(l->mapping_id <= m->n_mapping);
		CHECK(l->n_line >= 1);
		for (size_t j = 0; j < l->n_line; j++) {
			CHECK(l->line[j]->function_id >= 1);
			CHECK(l->line[j]->function_id <= m->n_function);
		}
	}
	for (size_t i = 0; i < m->n_function; i++) {
		CHECK_INT(m->function[i]->id, i + 1);
		CHECK(text(m, m->function[i]->name)[0]);
		text(m, m->function[i]->system_name);
		text(m, m->function[i]->filename);
	}
	for (size_t i = 0; i < m->n_mapping; i++) {
		CHECK_INT(m->mapping[i]->id, i + 1);
		CHECK(!m->mapping[i]->memory_start && !m->mapping[i]->memory_limit);
		CHECK(!m->mapping[i]->file_offset);
		text(m, m->mapping[i]->filename);
		build_id = text(m, m->mapping[i]->build_id);
		CHECK(!build_id[0] || strlen(build_id) >= 4); /* pprof slices it */
		CHECK(!strpbrk(build_id, "*?[.\\ "));
	}
}

static void check_labels(const Perftools__Profiles__Profile *m,
			 const Perftools__Profiles__Sample *s)
{
	for (size_t i = 0; i < s->n_label; i++) {
		const Perftools__Profiles__Label *label = s->label[i];
		const char *key = text(m, label->key);

		CHECK(strspn(key, "abcdefghijklmnopqrstuvwxyz_") == strlen(key) && key[0]);
		CHECK(!!label->str != !!label->num);
		CHECK(!label->num_unit == !label->num);
		text(m, label->str);
		text(m, label->num_unit);
		for (size_t j = 0; j < i; j++)
			CHECK(s->label[j]->key != label->key);
	}
}

/* Every id is used by something, and nothing refers to what is not there. */
static void check_samples(const Perftools__Profiles__Profile *m)
{
	uint8_t *used = calloc(m->n_location + 1, 1);

	CHECK(used);
	for (size_t i = 0; i < m->n_sample; i++) {
		const Perftools__Profiles__Sample *s = m->sample[i];

		CHECK_INT(s->n_value, 2);
		CHECK(s->value[0] > 0 && s->value[1] > 0);
		for (size_t j = 0; j < s->n_location_id; j++) {
			CHECK(s->location_id[j] >= 1 && s->location_id[j] <= m->n_location);
			used[s->location_id[j]] = 1;
		}
		check_labels(m, s);
	}
	for (size_t i = 1; i <= m->n_location; i++)
		CHECK(used[i]);
	free(used);
}

static Perftools__Profiles__Profile *write_and_check(const struct profile *p, uint32_t owner)
{
	_cleanup_(buf_deinitp) struct buf out;
	Perftools__Profiles__Profile *m;

	buf_init(&out, PACKED_MAX);
	CHECK_INT(pprof_write(p, owner, &out), 0);
	m = unpack(&out);
	check_strings(m);
	check_types(m);
	check_locations(m);
	check_samples(m);
	return m;
}

static void done(Perftools__Profiles__Profile *m)
{
	perftools__profiles__profile__free_unpacked(m, NULL);
}

static const char *label(const Perftools__Profiles__Profile *m, size_t sample, const char *key)
{
	for (size_t i = 0; i < m->sample[sample]->n_label; i++) {
		if (!strcmp(text(m, m->sample[sample]->label[i]->key), key))
			return text(m, m->sample[sample]->label[i]->str);
	}
	return NULL;
}

static const Perftools__Profiles__Function *leaf(const Perftools__Profiles__Profile *m,
						 size_t sample, size_t depth)
{
	uint64_t location = m->sample[sample]->location_id[depth];

	return m->function[m->location[location - 1]->line[0]->function_id - 1];
}

static void test_one_owner(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	Perftools__Profiles__Profile *m = write_and_check(p, KNOWN_WEB);
	const Perftools__Profiles__Location *hot;

	CHECK_INT(m->n_sample, 3);
	CHECK_INT(m->sample[0]->value[0], 60);
	CHECK_INT(m->sample[0]->value[1], 60 * KNOWN_PERIOD_NS);
	CHECK_INT(m->time_nanos, 1700000000000000000);
	CHECK_INT(m->duration_nanos, 1000000000);
	CHECK_INT(m->period, KNOWN_PERIOD_NS);
	CHECK_STR(text(m, m->mapping[0]->filename), "/usr/bin/app"); /* not libc, not the kernel */
	CHECK_STR(text(m, m->mapping[0]->build_id), "abcdef0123456789");
	hot = m->location[m->sample[0]->location_id[0] - 1];
	CHECK_INT(hot->n_line, 2);
	CHECK_INT(hot->address, 0x401100);
	CHECK_INT(hot->mapping_id, 1);
	CHECK_INT(hot->line[0]->line, 12);
	CHECK_INT(hot->line[0]->column, 3);
	CHECK_STR(text(m, leaf(m, 0, 0)->name), "ns::hot(int)");
	CHECK_STR(text(m, leaf(m, 0, 0)->system_name), "_ZN2ns3hotEi");
	CHECK_INT(leaf(m, 0, 0)->start_line, 10);
	CHECK_STR(text(m, leaf(m, 2, 0)->system_name), "main.(*T[go.shape.int]).Run");
	CHECK_STR(label(m, 2, "thread"), "worker;1");
	CHECK_STR(label(m, 2, "comm"), "app");
	CHECK_STR(label(m, 0, "container"), "web");
	CHECK_STR(label(m, 0, "container_id"), "0123456789ab");
	CHECK_STR(label(m, 0, "runtime"), "docker");
	CHECK_INT(m->sample[0]->label[0]->num, 4242);
	CHECK_STR(text(m, m->sample[0]->label[0]->num_unit), "id");
	done(m);
}

static void test_frames_without_names(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	Perftools__Profiles__Profile *m = write_and_check(p, KNOWN_WEB);
	const Perftools__Profiles__Location *kernel = m->location[m->sample[1]->location_id[0] - 1];
	const Perftools__Profiles__Location *libc = m->location[m->sample[1]->location_id[1] - 1];
	const Perftools__Profiles__Mapping *mapping = m->mapping[libc->mapping_id - 1];

	CHECK_INT(libc->address, 0x1234);
	CHECK_STR(text(m, leaf(m, 1, 1)->name), "libc.so.6!0x1234");
	CHECK(!mapping->has_functions && !mapping->has_filenames && !mapping->has_line_numbers);
	CHECK(!mapping->has_inline_frames);
	CHECK_STR(text(m, mapping->build_id), "00ff10");
	CHECK_INT(kernel->address, 0); /* would tell where the kernel lies */
	mapping = m->mapping[kernel->mapping_id - 1];
	CHECK_STR(text(m, mapping->filename), "[kernel.kallsyms]");
	CHECK(mapping->has_functions && !mapping->has_filenames && !mapping->has_line_numbers);
	CHECK(m->mapping[0]->has_functions && m->mapping[0]->has_filenames);
	CHECK(m->mapping[0]->has_line_numbers && m->mapping[0]->has_inline_frames);
	done(m);
}

static void test_all_owners(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	Perftools__Profiles__Profile *m = write_and_check(p, PROFILE_ALL_OWNERS);

	CHECK_INT(m->n_sample, 4);
	CHECK_INT(m->n_mapping, 3);
	CHECK_STR(text(m, m->mapping[0]->filename), "[kernel.kallsyms]"); /* what all share */
	CHECK_STR(label(m, 3, "container"), "ssh.service");
	CHECK(!label(m, 3, "container_id"));
	done(m);
}

static void test_only_what_the_owner_uses(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	Perftools__Profiles__Profile *m = write_and_check(p, KNOWN_SSH);

	CHECK_INT(m->n_sample, 1);
	CHECK_INT(m->n_mapping, 0);
	CHECK_INT(m->n_location, 2);
	CHECK_INT(m->n_function, 2);
	for (size_t i = 0; i < m->n_string_table; i++)
		CHECK(!strstr(m->string_table[i], "app"));
	done(m);
}

static void test_comments_carry_the_losses(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	Perftools__Profiles__Profile *m = write_and_check(p, PROFILE_ALL_OWNERS);

	CHECK_INT(m->n_comment, 7);
	CHECK_STR(text(m, m->comment[0]), "fleetprof 0.1.0 on node-1, Linux 6.1.0");
	CHECK_STR(text(m, m->comment[1]), "100 Hz on 2 CPUs");
	CHECK_STR(text(m, m->comment[3]), "missed: 3");
	CHECK_STR(text(m, m->comment[5]), "lost: ring full: 0");
	done(m);
}

static void test_evil_names(void)
{
	_cleanup_(profile_freep) struct profile *p =
		known_evil_profile(evil_names, ARRAY_SIZE(evil_names));
	struct profile_view view;

	profile_view(p, &view);
	done(write_and_check(p, PROFILE_ALL_OWNERS));
	for (uint32_t i = 0; i < view.nr_owners; i++) {
		Perftools__Profiles__Profile *m = write_and_check(p, i);

		CHECK(m->n_sample > 0);
		done(m);
	}
}

static Perftools__Profiles__Profile *pack(const struct profile *p, const struct pprof_part *part)
{
	_cleanup_(buf_deinitp) struct buf out;
	Perftools__Profiles__Profile *m;

	buf_init(&out, PACKED_MAX);
	CHECK_INT(pprof_pack(p, part, &out), 0);
	m = perftools__profiles__profile__unpack(NULL, out.len, (const uint8_t *)out.data);
	CHECK(m);
	check_strings(m);
	check_types(m);
	check_locations(m);
	return m;
}

/* The parts of a profile have each what its samples use, and together the whole. */
static void test_parts(void)
{
	_cleanup_(profile_freep) struct profile *p = known_big_profile(1000, 8);
	struct pprof_part part = { .owner = PROFILE_ALL_OWNERS,
				   .nr_samples = 300,
				   .without_labels = true };
	uint64_t count = 0, expected = 0;
	struct profile_view v;
	size_t nr = 0;

	profile_view(p, &v);
	for (size_t i = 0; i < v.nr_samples; i++)
		expected += v.samples[i].count;
	for (; part.first_sample < v.nr_samples; part.first_sample += part.nr_samples) {
		Perftools__Profiles__Profile *m = pack(p, &part);

		CHECK(m->n_sample <= 300);
		nr += m->n_sample;
		for (size_t i = 0; i < m->n_sample; i++) {
			CHECK_INT(m->sample[i]->n_label, 0);
			count += (uint64_t)m->sample[i]->value[0];
		}
		done(m);
	}
	CHECK_INT(nr, v.nr_samples);
	CHECK_INT(count, expected);
}

/* The bytes of a message, whatever the pieces were that it came in. */
static void repack(const struct buf *pieces, struct buf *ret)
{
	Perftools__Profiles__Profile *m = perftools__profiles__profile__unpack(
		NULL, pieces->len, (const uint8_t *)pieces->data);
	size_t size;

	CHECK(m);
	buf_init(ret, PACKED_MAX);
	size = perftools__profiles__profile__get_packed_size(m);
	CHECK_INT(perftools__profiles__profile__pack(m, buf_grow(ret, size)), size);
	done(m);
}

/* However small the steps, the file is the same, and a step adds no more than so many things take. */
static void test_steps(void)
{
	_cleanup_(profile_freep) struct profile *p = known_big_profile(3000, 20);
	const struct pprof_part all = { .owner = PROFILE_ALL_OWNERS, .nr_samples = SIZE_MAX };
	_cleanup_(buf_deinitp) struct buf at_once, pieces, expected, got;
	_cleanup_(pprof_freep) struct pprof *w = NULL;
	size_t steps = 0, before, largest = 0;
	int r;

	buf_init(&at_once, PACKED_MAX);
	buf_init(&pieces, PACKED_MAX);
	CHECK_INT(pprof_pack(p, &all, &at_once), 0);
	CHECK_INT(pprof_new(&w, p, &all), 0);
	do {
		before = pieces.len;
		r = pprof_step(w, 50, &pieces);
		largest = MAX(largest, pieces.len - before);
		steps++;
	} while (r > 0);
	CHECK_INT(r, 0);
	CHECK_INT(pprof_step(w, 50, &pieces), 0); /* done is done */
	CHECK(steps > 2 * 3000 / 50);
	CHECK(largest < 50 * 200);
	repack(&at_once, &expected);
	repack(&pieces, &got);
	CHECK(got.len == expected.len && !memcmp(got.data, expected.data, got.len));
}

static void test_no_room(void)
{
	_cleanup_(profile_freep) struct profile *p = known_big_profile(3000, 20);
	const struct pprof_part all = { .owner = PROFILE_ALL_OWNERS, .nr_samples = SIZE_MAX };
	_cleanup_(buf_deinitp) struct buf out;

	buf_init(&out, 50000);
	CHECK_INT(pprof_pack(p, &all, &out), -ENOSPC);
}

static void test_deep_stacks_lose_their_middle(void)
{
	_cleanup_(profile_freep) struct profile *p = known_big_profile(20, 30);
	const struct pprof_part whole = { .owner = PROFILE_ALL_OWNERS, .nr_samples = SIZE_MAX },
				part = { .owner = PROFILE_ALL_OWNERS,
					 .nr_samples = SIZE_MAX,
					 .max_depth = 7 };
	Perftools__Profiles__Profile *all = pack(p, &whole), *cut = pack(p, &part);

	CHECK_INT(cut->n_sample, all->n_sample);
	for (size_t i = 0; i < cut->n_sample; i++) {
		const Perftools__Profiles__Sample *s = cut->sample[i];
		CHECK_INT(s->n_location_id, 7);
		CHECK_STR(text(cut, leaf(cut, i, 3)->name), "[cut]");
		CHECK_INT(s->value[0], all->sample[i]->value[0]);
		CHECK_STR(text(cut, leaf(cut, i, 0)->name), text(all, leaf(all, i, 0)->name));
		CHECK_STR(text(cut, leaf(cut, i, 6)->name), text(all, leaf(all, i, 29)->name));
	}
	CHECK(cut->n_location < all->n_location);
	done(all);
	done(cut);
}

static void test_empty(void)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	Perftools__Profiles__Profile *m;

	CHECK_INT(profile_new(&p), 0);
	m = write_and_check(p, PROFILE_ALL_OWNERS);
	CHECK_INT(m->n_sample, 0);
	CHECK_INT(m->n_location, 0);
	done(m);
}

static void test_equal_profiles_are_equal_files(void)
{
	_cleanup_(profile_freep) struct profile *a = known_profile(), *b = known_profile();
	_cleanup_(buf_deinitp) struct buf out_a, out_b;

	buf_init(&out_a, PACKED_MAX);
	buf_init(&out_b, PACKED_MAX);
	CHECK_INT(pprof_write(a, PROFILE_ALL_OWNERS, &out_a), 0);
	CHECK_INT(pprof_write(b, PROFILE_ALL_OWNERS, &out_b), 0);
	CHECK(out_a.len == out_b.len && !memcmp(out_a.data, out_b.data, out_a.len));
}

static void test_big(void)
{
	_cleanup_(profile_freep) struct profile *p = known_big_profile(50000, 32);
	_cleanup_(buf_deinitp) struct buf out;
	uint64_t start = clock_cpu_ns(), took;

	buf_init(&out, PACKED_MAX);
	CHECK_INT(pprof_write(p, PROFILE_ALL_OWNERS, &out), 0);
	took = clock_cpu_ns() - start;
	fprintf(stderr, "    50,000 samples, 32 deep: %.1f ms, %zu bytes\n", (double)took / 1e6,
		out.len);
	CHECK(took < 3 * NSEC_PER_SEC); /* with sanitizers too */
	done(write_and_check(p, 0));
}

int main(void)
{
	RUN(test_one_owner);
	RUN(test_frames_without_names);
	RUN(test_all_owners);
	RUN(test_only_what_the_owner_uses);
	RUN(test_comments_carry_the_losses);
	RUN(test_evil_names);
	RUN(test_parts);
	RUN(test_steps);
	RUN(test_no_room);
	RUN(test_deep_stacks_lose_their_middle);
	RUN(test_empty);
	RUN(test_equal_profiles_are_equal_files);
	RUN(test_big);
	return 0;
}
